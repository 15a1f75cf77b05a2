"""The joint test of ``detect(method="auto")``."""
