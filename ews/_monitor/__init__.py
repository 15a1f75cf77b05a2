"""One observation at a time."""
