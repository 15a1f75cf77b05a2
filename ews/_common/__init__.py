"""Rules that everything above shares: times, gaps, seeds, figures."""
