"""Exit heads and exit classifiers: from a state between two layers to a token and a decision."""
