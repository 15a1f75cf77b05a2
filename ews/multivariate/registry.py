"""The one registry of multivariate indicators: what each is called, how it is computed and which direction warns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from ews._common.publish import public
from ews.errors import UnknownNameError
from ews.multivariate import autocorrelation, autocorrelation_factors, covariance, information, linear_map
from ews.multivariate.windows import FloatArray, Windows

__all__ = ["MULTIVARIATE", "MultivariateIndicator", "get"]


@public("ews.multivariate")
@dataclass(frozen=True, slots=True)
class MultivariateIndicator:
    """What the library knows of one windowed indicator of several variables.

    Attributes
    ----------
    name : str
        The name used in ``indicators=(...)``, and of the function in ``ews.multivariate``.
    label : str
        How a figure or a table names it.
    compute : callable
        ``compute(windows) -> array`` of shape (rows, time), NaN before the first full window.
    alarm : {"up", "down"}
        The direction of change that warns of a loss of resilience.
    shortest_window : callable
        Fewest samples in a window, by the number of variables.
    linear_map : {"invariant", "units", "none"}
        What leaves the values as they are: any invertible linear map of the variables; one factor for each variable;
        neither.
    reference : str
        Where the definition comes from.
    """

    name: str
    label: str
    compute: Callable[[Windows], FloatArray]
    alarm: Literal["up", "down"]
    shortest_window: Callable[[int], int]
    linear_map: Literal["invariant", "units", "none"]
    reference: str


_ALL = (
    MultivariateIndicator(
        "covariance_eigenvalue", "Leading covariance eigenvalue", covariance.eigenvalues, "up", covariance.two_samples,
        "none", "Chen et al. 2019",
    ),
    MultivariateIndicator(
        "covariance_share", "Leading share of variance", covariance.shares, "up", covariance.two_samples, "none",
        "Lever et al. 2020",
    ),
    MultivariateIndicator(
        "variability_index", "Index of variability", covariance.indices, "up", covariance.two_samples, "none",
        "Brock & Carpenter 2006",
    ),
    MultivariateIndicator(
        "mean_variance", "Mean variance", covariance.mean_variances, "up", covariance.two_samples, "none",
        "Weinans et al. 2021",
    ),
    MultivariateIndicator(
        "largest_variance", "Largest variance", covariance.largest_variances, "up", covariance.two_samples, "none",
        "Weinans et al. 2021",
    ),
    MultivariateIndicator(
        "cross_correlation", "Mean |correlation|", covariance.correlations, "up", covariance.three_samples, "units",
        "Dakos et al. 2010",
    ),
    MultivariateIndicator(
        "mutual_information", "Mutual information", information.mutual_informations, "up", information.eight_samples,
        "units", "Ince et al. 2017",
    ),
    MultivariateIndicator(
        "mean_autocorrelation", "Mean autocorrelation", autocorrelation.means, "up", autocorrelation.four_samples,
        "units", "Weinans et al. 2021",
    ),
    MultivariateIndicator(
        "largest_autocorrelation", "Largest autocorrelation", autocorrelation.largest, "up",
        autocorrelation.four_samples, "units", "Weinans et al. 2021",
    ),
    MultivariateIndicator(
        "pca_autocorrelation", "Autocorrelation of PC 1", autocorrelation.of_component, "up",
        autocorrelation.four_samples, "none", "Held & Kleinen 2004",
    ),
    MultivariateIndicator(
        "maf_autocorrelation", "Autocorrelation of MAF 1", autocorrelation_factors.autocorrelations, "up",
        autocorrelation_factors.factor_window, "invariant", "Weinans et al. 2019",
    ),
    MultivariateIndicator(
        "maf_variance", "Variance of MAF 1", autocorrelation_factors.variances, "up",
        autocorrelation_factors.factor_window, "none", "Weinans et al. 2019",
    ),
    MultivariateIndicator(
        "maf_eigenvalue", "Eigenvalue of MAF 1", autocorrelation_factors.eigenvalues, "down",
        autocorrelation_factors.factor_window, "invariant", "Weinans et al. 2019",
    ),
    MultivariateIndicator(
        "jacobian_eigenvalue", "Jacobian eigenvalue", linear_map.moduli, "up", linear_map.regression_window,
        "invariant", "Williamson & Lenton 2015",
    ),
    MultivariateIndicator(
        "jacobian_index", "Jacobian index", linear_map.indices, "up", linear_map.regression_window, "invariant",
        "Williamson & Lenton 2015",
    ),
    MultivariateIndicator(
        "fisher_information", "Fisher information", information.fisher_informations, "down", information.two_states,
        "units", "Ahmad et al. 2016",
    ),
)  # fmt: skip

MULTIVARIATE: Mapping[str, MultivariateIndicator] = MappingProxyType({one.name: one for one in _ALL})


def get(name: str) -> MultivariateIndicator:
    """Look up an indicator by name; the nearest is suggested where there is none."""
    if name not in MULTIVARIATE:
        raise UnknownNameError("indicators", name, MULTIVARIATE)
    return MULTIVARIATE[name]
