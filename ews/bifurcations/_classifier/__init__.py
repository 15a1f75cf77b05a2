"""The trained classifier of bifurcations."""
