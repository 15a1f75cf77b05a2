"""Many series at once: tables, cubes and maps."""
