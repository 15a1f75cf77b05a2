"""Exit rules of encoders: each in one file, all under the contract of :mod:`adapters.encoders.contract`."""
