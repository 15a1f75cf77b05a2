"""Early-warning signals over the layers of language models: which layers a token needs, decided while it is decoded.

``model.generate(**inputs, custom_generate=EWSExitPolicy())`` leaves layers out of any supported causal language model
of ``transformers``, and keeps its cache right. Beside it stand other policies, capture of trajectories for study, and a
check of what a model could gain. Names load on first use: importing this package loads no deep-learning framework.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import warnings
from typing import TYPE_CHECKING, Any

# Public name → the module that holds it; a name that maps to None is itself a module.
_HOMES: dict[str, str | None] = {
    "Calibration": "adapters.calibration.result",
    "CalibrationConfig": "adapters.calibration.result",
    "ClassifierPolicy": "adapters.policies.classifier",
    "ConfidencePolicy": "adapters.policies.confidence",
    "DifficultyCorrelation": "adapters.oracle.difficulty",
    "DuoPolicy": "adapters.policies.duo",
    "EWSExitPolicy": "adapters.policies.ews",
    "EntropyPolicy": "adapters.policies.entropy",
    "Exit": "adapters.decoding.contract",
    "FFNRoute": "adapters.decoding.contract",
    "FFNSkipCalibration": "adapters.calibration.ffn_skip",
    "FFNSkipPolicy": "adapters.policies.ffn_skip",
    "FixedExitPolicy": "adapters.policies.fixed",
    "FixedFFNSkipPolicy": "adapters.policies.fixed_ffn",
    "FixedPointPolicy": "adapters.policies.fixed_point",
    "Guarded": "adapters.guard.policy",
    "NeverExitPolicy": "adapters.policies.never",
    "Oracle": "adapters.oracle.result",
    "Plan": "adapters.decoding.contract",
    "Policy": "adapters.decoding.contract",
    "Promise": "adapters.decoding.contract",
    "RandomExitPolicy": "adapters.policies.random",
    "RandomFFNSkipPolicy": "adapters.policies.random_ffn",
    "Regret": "adapters.oracle.result",
    "Replay": "adapters.texts.replaying",
    "Report": "adapters.decoding.report",
    "SaturationPolicy": "adapters.policies.saturation",
    "ScoreChart": "adapters.guard.chart",
    "SkipDecodePolicy": "adapters.policies.skip_decode",
    "Suitability": "adapters.assessment.run",
    "ThresholdCalibration": "adapters.calibration.thresholds",
    "Trajectories": "adapters.trajectories",
    "Trajectory": "adapters.decoding.contract",
    "UnifiedSkipPolicy": "adapters.policies.unified_skip",
    "assess": "adapters.assessment.run",
    "capture": "adapters.trajectories",
    "difficulty_correlations": "adapters.oracle.difficulty",
    "encoders": None,
    "errors": None,
    "full_model_continuations": "adapters.texts.continuations",
    "oracle_routes": "adapters.oracle.search",
    "policy_named": "adapters.policies.registry",
    "register_family": "adapters.families",
    "register_policy": "adapters.policies.registry",
    "replay": "adapters.texts.replaying",
    "signals": None,
    "training": None,
    "windows": None,
}

# Name of the version before → name.
_RENAMED = {"Assessment": "Suitability", "dense_continuations": "full_model_continuations"}

__all__ = [
    "Calibration",
    "CalibrationConfig",
    "ClassifierPolicy",
    "ConfidencePolicy",
    "DifficultyCorrelation",
    "DuoPolicy",
    "EWSExitPolicy",
    "EntropyPolicy",
    "Exit",
    "FFNRoute",
    "FFNSkipCalibration",
    "FFNSkipPolicy",
    "FixedExitPolicy",
    "FixedFFNSkipPolicy",
    "FixedPointPolicy",
    "Guarded",
    "NameClashWarning",
    "NeverExitPolicy",
    "Oracle",
    "Plan",
    "Policy",
    "Promise",
    "RandomExitPolicy",
    "RandomFFNSkipPolicy",
    "Regret",
    "Replay",
    "Report",
    "SaturationPolicy",
    "ScoreChart",
    "SkipDecodePolicy",
    "Suitability",
    "ThresholdCalibration",
    "Trajectories",
    "Trajectory",
    "UnifiedSkipPolicy",
    "assess",
    "capture",
    "difficulty_correlations",
    "encoders",
    "errors",
    "full_model_continuations",
    "oracle_routes",
    "policy_named",
    "register_family",
    "register_policy",
    "replay",
    "signals",
    "training",
    "windows",
]


class NameClashWarning(UserWarning):
    """Another distribution that installs a package named ``adapters`` is present beside this one."""


def _warn_of_clash() -> None:
    """Warn where the unrelated distribution ``adapters`` is installed: both write into one folder of this name."""
    try:
        version = importlib.metadata.version("adapters")
    except importlib.metadata.PackageNotFoundError:
        return
    warnings.warn(
        f"the distribution 'adapters' {version} is installed beside 'earlywarning'; it is unrelated and installs a "
        f"package of the same name, so files of one may have replaced files of the other. This is {__file__!r}. "
        "Install the two in separate environments.",
        NameClashWarning,
        stacklevel=3,
    )


_warn_of_clash()


def __getattr__(name: str) -> Any:
    if name in _RENAMED:
        from adapters._common.deprecated import say_renamed

        say_renamed(f"adapters.{name}", f"adapters.{_RENAMED[name]}")
        name = _RENAMED[name]
    if name not in _HOMES:
        raise AttributeError(f"module 'adapters' has no attribute {name!r}")
    home = _HOMES[name]
    try:
        found = (
            importlib.import_module(f"adapters.{name}")
            if home is None
            else getattr(importlib.import_module(home), name)
        )
    except ModuleNotFoundError as missing:
        if missing.name in ("torch", "transformers", "safetensors"):
            raise ModuleNotFoundError(
                f"adapters.{name} needs {missing.name}: pip install 'earlywarning[llm]'", name=missing.name
            ) from None
        raise
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


if TYPE_CHECKING:
    from adapters import encoders, errors, signals, training, windows
    from adapters.assessment.run import Suitability, assess
    from adapters.calibration.ffn_skip import FFNSkipCalibration
    from adapters.calibration.result import Calibration, CalibrationConfig
    from adapters.calibration.thresholds import ThresholdCalibration
    from adapters.decoding.contract import Exit, FFNRoute, Plan, Policy, Promise, Trajectory
    from adapters.decoding.report import Report
    from adapters.families import register_family
    from adapters.guard.chart import ScoreChart
    from adapters.guard.policy import Guarded
    from adapters.oracle.difficulty import DifficultyCorrelation, difficulty_correlations
    from adapters.oracle.result import Oracle, Regret
    from adapters.oracle.search import oracle_routes
    from adapters.policies.classifier import ClassifierPolicy
    from adapters.policies.confidence import ConfidencePolicy
    from adapters.policies.duo import DuoPolicy
    from adapters.policies.entropy import EntropyPolicy
    from adapters.policies.ews import EWSExitPolicy
    from adapters.policies.ffn_skip import FFNSkipPolicy
    from adapters.policies.fixed import FixedExitPolicy
    from adapters.policies.fixed_ffn import FixedFFNSkipPolicy
    from adapters.policies.fixed_point import FixedPointPolicy
    from adapters.policies.never import NeverExitPolicy
    from adapters.policies.random import RandomExitPolicy
    from adapters.policies.random_ffn import RandomFFNSkipPolicy
    from adapters.policies.registry import policy_named, register_policy
    from adapters.policies.saturation import SaturationPolicy
    from adapters.policies.skip_decode import SkipDecodePolicy
    from adapters.policies.unified_skip import UnifiedSkipPolicy
    from adapters.texts.continuations import full_model_continuations
    from adapters.texts.replaying import Replay, replay
    from adapters.trajectories import Trajectories, capture
