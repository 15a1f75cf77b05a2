"""The leading eigenvalue of a reconstructed Jacobian."""
