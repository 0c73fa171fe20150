"""The demonstration: a page of photographs, and of what a few bytes can show of each."""
