"""The policy before anything was fitted: what is usual is learned from the first tokens of the generation itself."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from adapters._common.checks import read_depths, read_share
from adapters.decoding.contract import Unit
from adapters.families import Family
from adapters.heads.exit_classifier import FeatureSet, feature_names
from adapters.heads.fitted import ExitClassifier, FittedExit, FittedSkip
from adapters.heads.prediction import predict_in_full
from ews.errors import InputTypeError, ValueRangeError

__all__ = ["Untrained"]

# How many of the newest tokens say what is usual, and how unusual a token must be.
_REMEMBERED = 256
_SETTLED = "update_norm trend"
_LEAVING_SHARE, _SKIPPING_SHARE = 0.5, 0.25


@dataclass(slots=True)
class _Unusual(ExitClassifier):
    """Open for the tokens of this generation whose residual stream settles fastest."""

    model: Any = None
    threshold: float = 0.0
    share: float = 0.5
    column: int = 0
    shut: bool = True
    seen: deque[float] = field(default_factory=deque)
    ordered: list[float] = field(default_factory=list)  # the same values, so that a quantile is a look-up

    def opens(self, features: Tensor) -> np.ndarray[Any, np.dtype[np.bool_]]:
        values = features[:, self.column].cpu().numpy()
        limit = self.ordered[int(self.share * (len(self.ordered) - 1))] if self.ordered else -np.inf
        for value in values.tolist():
            self._remember(value)
        return np.asarray(values <= limit) & (not self.shut)  # NaN compares false

    def forget(self) -> None:
        """Another generation begins."""
        self.seen.clear()
        self.ordered.clear()

    def _remember(self, value: float) -> None:
        if not np.isfinite(value):
            return
        if len(self.seen) == _REMEMBERED:
            del self.ordered[bisect_left(self.ordered, self.seen.popleft())]
        self.seen.append(value)
        insort(self.ordered, value)


class Untrained:
    """Training-free early exit: depths, classifiers and heads without a calibration.

    Parameters
    ----------
    depths : sequence of int or None
        After how many layers to ask.
    threshold : float
        Probability from which a prediction confirms.
    window : int
        Layers in a window.
    warmup : int
        Tokens that run in full first.
    unit : {"layer", "ffn", "both"}
        What is left out.

    Raises
    ------
    ews.errors.ArgumentError
        If a number cannot be used.
    """

    def __init__(self, *, depths: Sequence[int] | None, threshold: float, window: int, warmup: int, unit: Unit) -> None:
        numbers: tuple[tuple[str, object, int], ...] = (("window", window, 3), ("warmup", warmup, 0))
        for name, value, least in numbers:
            if not isinstance(value, int) or isinstance(value, bool):
                raise InputTypeError(name, value, f"a whole number, {least} or more")
            if value < least:
                raise ValueRangeError(name, value, f"{least} or more")
        self.depths, self.window, self.warmup, self.unit = depths, window, warmup, unit
        self.threshold = read_share("threshold", threshold)
        self._classifiers: list[_Unusual] = []

    def bind(self, family: Family) -> tuple[dict[int, FittedExit], dict[int, FittedSkip]]:
        """Choose where to ask in a model."""
        layers = family.depth
        kind: FeatureSet = "windowed"
        usual = (3 * layers // 4, 7 * layers // 8)
        depths = read_depths("depths", self.depths if self.depths is not None else usual, layers)
        least = self.window + 1
        if self.depths is None:
            depths = tuple(depth for depth in depths if depth >= least)
        elif depths[0] < least:
            raise ValueRangeError(
                "depths", depths[0], f"{least} or more: a window of {self.window} layers lies before it"
            )
        column = feature_names("windowed").index(_SETTLED)
        self._classifiers = []
        exits: dict[int, FittedExit] = {}
        skips: dict[int, FittedSkip] = {}
        if self.unit in ("layer", "both"):
            for depth in depths:
                if depth < layers:
                    classifier = _Unusual(share=_LEAVING_SHARE, column=column)
                    self._classifiers.append(classifier)
                    predict = partial(predict_in_full, family)
                    exits[depth] = FittedExit(classifier, self.window, kind, predict, self.threshold)
        if self.unit in ("ffn", "both"):
            # Groups of a tenth of the layers, between the first third and the last sixth, which are left alone.
            size = max(1, layers // 10)
            first, last = max(least, layers // 3), layers - max(1, layers // 6)
            for start in range(first, last - size + 1, 2 * size):
                classifier = _Unusual(share=_SKIPPING_SHARE, column=column)
                self._classifiers.append(classifier)
                skips[start] = FittedSkip(classifier, self.window, kind, tuple(range(start, start + size)))
        return exits, skips

    def start(self) -> None:
        """Forget another generation."""
        for classifier in self._classifiers:
            classifier.forget()

    def hear(self, step: int) -> None:
        """The next token: while few were seen, classifiers hear and stay shut."""
        for classifier in self._classifiers:
            classifier.shut = step < self.warmup
