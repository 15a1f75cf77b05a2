"""Oracle routes: for each token the way through the layers with the lowest loss, what a policy regrets, difficulty."""
