"""A method on labelled records."""
