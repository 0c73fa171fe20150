"""Examples of how the package is used."""
