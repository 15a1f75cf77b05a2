"""Indicators of several variables at once: arrays (time × variables) through a sliding window.

Near a loss of stability one direction in the space of the variables becomes slow. These functions look for that
direction, or for what it does to all variables: they vary more along it, remember longer, and move together. Each value
stands at the right edge of its window and depends on that window alone.

:func:`ews.detect_multivariate` tests their trends against surrogates that keep the variables' cross-correlations.
"""

from ews.multivariate.autocorrelation import largest_autocorrelation, mean_autocorrelation, pca_autocorrelation
from ews.multivariate.autocorrelation_factors import maf_autocorrelation, maf_eigenvalue, maf_variance
from ews.multivariate.covariance import (
    covariance_eigenvalue,
    covariance_share,
    cross_correlation,
    largest_variance,
    mean_variance,
    variability_index,
)
from ews.multivariate.information import fisher_information, mutual_information
from ews.multivariate.linear_map import jacobian, jacobian_eigenvalue, jacobian_index
from ews.multivariate.registry import MULTIVARIATE, MultivariateIndicator

__all__ = [
    "MULTIVARIATE",
    "MultivariateIndicator",
    "covariance_eigenvalue",
    "covariance_share",
    "cross_correlation",
    "fisher_information",
    "jacobian",
    "jacobian_eigenvalue",
    "jacobian_index",
    "largest_autocorrelation",
    "largest_variance",
    "maf_autocorrelation",
    "maf_eigenvalue",
    "maf_variance",
    "mean_autocorrelation",
    "mean_variance",
    "mutual_information",
    "pca_autocorrelation",
    "variability_index",
]
