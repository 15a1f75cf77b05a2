"""Detectors that model what lies ahead: each fits the signature of a bifurcation and says how well it fits.

Windowed indicators ask whether a number rises. A detector of this package fits a model that comes from the theory of
the bifurcation, and so can say which one, or compare it with a model in which nothing changes. Names load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Public name → the module that holds it.
_HOMES: dict[str, str] = {
    "Classification": "ews.bifurcations._classifier.result",
    "ClassifierConfig": "ews.bifurcations._classifier.result",
    "DriftDiffusionJump": "ews.bifurcations._jumps.result",
    "JacobianConfig": "ews.bifurcations._jacobian.result",
    "JacobianEigenvalue": "ews.bifurcations._jacobian.result",
    "JumpsConfig": "ews.bifurcations._jumps.result",
    "LangevinConfig": "ews.bifurcations._langevin.result",
    "LangevinSlope": "ews.bifurcations._langevin.result",
    "LikelihoodConfig": "ews.bifurcations._likelihood.result",
    "LikelihoodRatio": "ews.bifurcations._likelihood.result",
    "OrnsteinUhlenbeckFit": "ews.bifurcations._likelihood.result",
    "PotentialConfig": "ews.bifurcations._potential.result",
    "PotentialWells": "ews.bifurcations._potential.result",
    "RestoringConfig": "ews.bifurcations._restoring.result",
    "RestoringTrend": "ews.bifurcations._restoring.result",
    "SpectralClassification": "ews.bifurcations._spectral.result",
    "SpectralConfig": "ews.bifurcations._spectral.result",
    "TransitionFit": "ews.bifurcations._likelihood.result",
    "classifier": "ews.bifurcations._classifier.run",
    "jacobian": "ews.bifurcations._jacobian.run",
    "jumps": "ews.bifurcations._jumps.run",
    "langevin": "ews.bifurcations._langevin.run",
    "likelihood": "ews.bifurcations._likelihood.run",
    "ornstein_uhlenbeck_log_likelihood": "ews.bifurcations._likelihood.models",
    "potential": "ews.bifurcations._potential.run",
    "restoring": "ews.bifurcations._restoring.run",
    "saddle_node_log_likelihood": "ews.bifurcations._likelihood.models",
    "spectral": "ews.bifurcations._spectral.run",
    "transcritical_log_likelihood": "ews.bifurcations._likelihood.models",
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
    from ews.bifurcations._classifier.result import Classification, ClassifierConfig
    from ews.bifurcations._classifier.run import classifier
    from ews.bifurcations._jacobian.result import JacobianConfig, JacobianEigenvalue
    from ews.bifurcations._jacobian.run import jacobian
    from ews.bifurcations._jumps.result import DriftDiffusionJump, JumpsConfig
    from ews.bifurcations._jumps.run import jumps
    from ews.bifurcations._langevin.result import LangevinConfig, LangevinSlope
    from ews.bifurcations._langevin.run import langevin
    from ews.bifurcations._likelihood.models import (
        ornstein_uhlenbeck_log_likelihood,
        saddle_node_log_likelihood,
        transcritical_log_likelihood,
    )
    from ews.bifurcations._likelihood.result import (
        LikelihoodConfig,
        LikelihoodRatio,
        OrnsteinUhlenbeckFit,
        TransitionFit,
    )
    from ews.bifurcations._likelihood.run import likelihood
    from ews.bifurcations._potential.result import PotentialConfig, PotentialWells
    from ews.bifurcations._potential.run import potential
    from ews.bifurcations._restoring.result import RestoringConfig, RestoringTrend
    from ews.bifurcations._restoring.run import restoring
    from ews.bifurcations._spectral.result import SpectralClassification, SpectralConfig
    from ews.bifurcations._spectral.run import spectral
