"""Rules that everything above shares."""
