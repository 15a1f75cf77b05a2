"""Training of the classifier that ships with ``ews``: simulations, network, calibration."""
