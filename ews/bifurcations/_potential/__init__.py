"""The potential and its wells."""
