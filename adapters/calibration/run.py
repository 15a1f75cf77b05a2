"""Fit the early-warning policy to a model, and set its thresholds so that a stated risk holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from adapters.calibration.costs import Costs
from adapters.calibration.exits import LENS_SHARE, RULE_SHARE, calibrate_exits, window_for
from adapters.calibration.ffn import calibrate_ffn
from adapters.calibration.result import Calibration, CalibrationConfig
from adapters.calibration.risk import Target, smallest_sample
from adapters.decoding.contract import UNITS, Unit
from adapters.errors import UnsupportedModelError
from adapters.families import family_of
from adapters.heads.early_warning import CACHE_OF_UNIT
from adapters.heads.exit_classifier import FEATURES, FeatureSet
from ews.errors import ArgumentError, InputTypeError, UnknownNameError, described

__all__ = ["calibrate"]

_LEAST_LAYERS = 5  # a window of three, the shortest that has a skewness, and two states before it


def calibrate(
    model: Any,
    tokenizer: Any,
    texts: Sequence[Any],
    *,
    risk: float = 0.05,
    confidence: float = 0.95,
    target: Target = "agreement",
    unit: Unit = "layer",
    features: FeatureSet = "both",
    max_new_tokens: int = 64,
    costs: Costs | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Calibration:
    """Fit and test; see :meth:`adapters.EWSExitPolicy.calibrate`, which this stands behind.

    Parameters
    ----------
    model, tokenizer, texts, risk, confidence, target, unit, features, max_new_tokens, seed, progress
        See :meth:`adapters.EWSExitPolicy.calibrate`.
    costs : Costs, optional
        Measured costs (default: those that follow from sizes).

    Returns
    -------
    Calibration
        What was found.
    """
    targets = get_args(Target)
    for argument, value, names in (
        ("unit", unit, UNITS),
        ("features", features, FEATURES),
        ("target", target, targets),
    ):
        if value not in names:
            raise UnknownNameError(argument, value, names)
    family = family_of(model)
    if (getattr(model, "_tp_size", None) or 1) > 1:
        raise UnsupportedModelError(
            "model", described("one that is split over processes"), "the same model in one process"
        )
    if family.depth < _LEAST_LAYERS:
        raise UnsupportedModelError(
            "model", described(f"one of {family.depth} layers"), f"{_LEAST_LAYERS} layers or more, which hold a window"
        )
    if isinstance(texts, str):
        raise InputTypeError("texts", texts, "a list of texts")
    texts = list(texts)
    tested = len(texts) - round(len(texts) * (LENS_SHARE + RULE_SHARE))
    least = smallest_sample(risk=risk, confidence=confidence)
    if tested < least:
        needed = int(np.ceil(least / (1 - LENS_SHARE - RULE_SHARE))) + 1
        raise ArgumentError(
            "texts",
            described(f"{len(texts)} texts, of which {tested} test the rules"),
            f"{needed} or more for a risk of {risk:g} with confidence {confidence:g}",
        )
    config = CalibrationConfig(
        risk=risk,
        confidence=confidence,
        target=target,
        unit=unit,
        cache=CACHE_OF_UNIT[unit],
        features=features,
        window=window_for(family.depth),
        texts=len(texts),
        tokens=0,  # until they are written
        max_new_tokens=max_new_tokens,
        seed=seed,
        dtype=str(model.dtype).removeprefix("torch."),
        model_type=family.config.model_type,
    )
    fit = calibrate_exits if unit == "layer" else calibrate_ffn
    return fit(family, tokenizer, texts, config, costs=costs, progress=progress)
