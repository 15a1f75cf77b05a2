"""What is measured in a window: one registry, one file per family of indicators."""
