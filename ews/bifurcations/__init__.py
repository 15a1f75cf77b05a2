"""Detectors that model what lies ahead: each fits the signature of a bifurcation and says how well it fits.

Windowed indicators ask whether a number rises. A detector of this package fits a model that comes from the theory of
the bifurcation, and so can say which one, or compare it with a model in which nothing changes. Names load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Public name → the module that holds it.
_HOMES: dict[str, str] = {
    "Classification": "ews.bifurcations._classifier_result",
    "ClassifierConfig": "ews.bifurcations._classifier_result",
    "DriftDiffusionJump": "ews.bifurcations._jumps_result",
    "JacobianConfig": "ews.bifurcations._jacobian_result",
    "JacobianEigenvalue": "ews.bifurcations._jacobian_result",
    "JumpsConfig": "ews.bifurcations._jumps_result",
    "LangevinConfig": "ews.bifurcations._langevin_result",
    "LangevinSlope": "ews.bifurcations._langevin_result",
    "LikelihoodConfig": "ews.bifurcations._likelihood_result",
    "LikelihoodRatio": "ews.bifurcations._likelihood_result",
    "OrnsteinUhlenbeckFit": "ews.bifurcations._likelihood_result",
    "PotentialConfig": "ews.bifurcations._potential_result",
    "PotentialWells": "ews.bifurcations._potential_result",
    "RestoringConfig": "ews.bifurcations._restoring_result",
    "RestoringTrend": "ews.bifurcations._restoring_result",
    "SpectralClassification": "ews.bifurcations._spectral_result",
    "SpectralConfig": "ews.bifurcations._spectral_result",
    "TransitionFit": "ews.bifurcations._likelihood_result",
    "classifier": "ews.bifurcations._classifier",
    "jacobian": "ews.bifurcations._jacobian",
    "jumps": "ews.bifurcations._jumps",
    "langevin": "ews.bifurcations._langevin",
    "likelihood": "ews.bifurcations._likelihood",
    "ornstein_uhlenbeck_log_likelihood": "ews.bifurcations._likelihood_models",
    "potential": "ews.bifurcations._potential",
    "restoring": "ews.bifurcations._restoring",
    "saddle_node_log_likelihood": "ews.bifurcations._likelihood_models",
    "spectral": "ews.bifurcations._spectral",
    "transcritical_log_likelihood": "ews.bifurcations._likelihood_models",
}

__all__ = [
    "Classification",
    "ClassifierConfig",
    "DriftDiffusionJump",
    "JacobianConfig",
    "JacobianEigenvalue",
    "JumpsConfig",
    "LangevinConfig",
    "LangevinSlope",
    "LikelihoodConfig",
    "LikelihoodRatio",
    "OrnsteinUhlenbeckFit",
    "PotentialConfig",
    "PotentialWells",
    "RestoringConfig",
    "RestoringTrend",
    "SpectralClassification",
    "SpectralConfig",
    "TransitionFit",
    "classifier",
    "jacobian",
    "jumps",
    "langevin",
    "likelihood",
    "ornstein_uhlenbeck_log_likelihood",
    "potential",
    "restoring",
    "saddle_node_log_likelihood",
    "spectral",
    "transcritical_log_likelihood",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ews.bifurcations' has no attribute {name!r}")
    found = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


if TYPE_CHECKING:
    from ews.bifurcations._classifier import classifier
    from ews.bifurcations._classifier_result import Classification, ClassifierConfig
    from ews.bifurcations._jacobian import jacobian
    from ews.bifurcations._jacobian_result import JacobianConfig, JacobianEigenvalue
    from ews.bifurcations._jumps import jumps
    from ews.bifurcations._jumps_result import DriftDiffusionJump, JumpsConfig
    from ews.bifurcations._langevin import langevin
    from ews.bifurcations._langevin_result import LangevinConfig, LangevinSlope
    from ews.bifurcations._likelihood import likelihood
    from ews.bifurcations._likelihood_models import (
        ornstein_uhlenbeck_log_likelihood,
        saddle_node_log_likelihood,
        transcritical_log_likelihood,
    )
    from ews.bifurcations._likelihood_result import (
        LikelihoodConfig,
        LikelihoodRatio,
        OrnsteinUhlenbeckFit,
        TransitionFit,
    )
    from ews.bifurcations._potential import potential
    from ews.bifurcations._potential_result import PotentialConfig, PotentialWells
    from ews.bifurcations._restoring import restoring
    from ews.bifurcations._restoring_result import RestoringConfig, RestoringTrend
    from ews.bifurcations._spectral import spectral
    from ews.bifurcations._spectral_result import SpectralClassification, SpectralConfig
