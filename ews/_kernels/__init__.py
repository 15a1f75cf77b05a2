"""Compiled kernels: contiguous float64 in, arrays out, no checks; every check is made by the callers above."""
