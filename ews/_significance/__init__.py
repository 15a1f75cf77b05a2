"""Tests against a null through the whole pipeline: surrogates, joint p-values, controls."""
