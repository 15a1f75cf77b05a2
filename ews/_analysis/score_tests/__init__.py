"""Do the coefficients of an autoregression drift."""
