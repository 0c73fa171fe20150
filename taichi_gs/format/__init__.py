"""Integers to bytes and back, exactly: the .tgs format."""
