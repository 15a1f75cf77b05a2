"""A method on stock systems, cell by cell."""
