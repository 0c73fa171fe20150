"""Hostile files for the decoder: mutations of good ones, and a coverage-guided search; see README.md."""
