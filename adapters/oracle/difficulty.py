"""What the layers of a token say of its difficulty: windowed statistics of signals, and the signals themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata

from adapters._common.checks import read_count
from adapters._common.publish import public
from adapters.families import family_of
from adapters.heads.small_ffn import SmallFFNs
from adapters.oracle.passes import TokenPass
from adapters.oracle.result import FloatArray, IntArray, Oracle
from adapters.signals import SIGNALS, signals
from adapters.texts.continuations import Continuation
from adapters.windows import last
from ews.errors import ArgumentError, ValueRangeError, described

__all__ = ["DifficultyCorrelation", "difficulty_correlations"]

_STATISTICS = ("variance", "ac1", "skewness", "trend")
_FOLDS = 5
_RIDGE = 1.0


@public("adapters")
@dataclass(frozen=True, slots=True)
class DifficultyCorrelation:
    """Rank correlation of something that the layers show with the difficulty of tokens.

    Attributes
    ----------
    name : str
        What: a signal with its statistic, or one of the sets "windowed", "raw" and "both", of which a ridge regression
        on ranks was fitted to other texts.
    windowed : bool
        Whether windows have a part in it; the others are the control.
    correlation, low, high : float
        Spearman's, with the interval of 95 % over texts.
    tokens, texts : int
        Of how many.
    """

    name: str
    windowed: bool
    correlation: float
    low: float
    high: float
    tokens: int
    texts: int


def difficulty_correlations(
    model: Any,
    texts: Sequence[Continuation],
    found: Oracle,
    *,
    depth: int | None = None,
    window: int = 4,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[DifficultyCorrelation, ...]:
    """Correlate the difficulty of tokens with what their layers show up to a depth.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The model of the oracle.
    texts : sequence of Continuation
        The texts of the oracle.
    found : Oracle
        What it found; difficulty is its loss(least) − loss(oracle).
    depth : int, optional
        Layers that have run when the layers are looked at (default: all).
    window : int, default 4
        Layers in a window, which ends there; the raw signals are taken from the last two of these.
    resamples : int, default 1000
        Of texts, for the intervals.
    seed : int, default 0
        Of these and of the folds.

    Returns
    -------
    tuple of DifficultyCorrelation
        Each windowed statistic and each raw signal, and the three sets.

    Raises
    ------
    ews.errors.ArgumentError
        If the texts are others, fewer than five, or the window does not fit.

    Examples
    --------
    >>> from adapters import difficulty_correlations, full_model_continuations, oracle_routes
    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> config = LlamaConfig(
    ...     vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=5, num_attention_heads=2,
    ...     eos_token_id=None, pad_token_id=0,
    ... )
    >>> model = LlamaForCausalLM(config).eval()
    >>> texts = full_model_continuations(model, [[each, 2, 3] for each in range(6)], max_new_tokens=5)
    >>> found = difficulty_correlations(model, texts, oracle_routes(model, texts), resamples=20)
    >>> [one.name for one in found][-3:]
    ['windowed', 'raw', 'both']
    """
    family = family_of(model)
    last_layer = family.depth if depth is None else depth
    read_count("window", window, least=3)
    if not window + 1 <= last_layer <= family.depth:
        raise ValueRangeError(
            "depth", last_layer, f"{window + 1} to {family.depth}: a window of {window} signals within"
        )
    decided = [text for text in texts if text.decided]
    if sum(text.decided for text in decided) != len(found.text) or len(decided) != len(np.unique(found.text)):
        raise ArgumentError("texts", described("others than those of the oracle"), "the same")
    if len(decided) < _FOLDS:
        raise ArgumentError("texts", described(f"{len(decided)}"), f"{_FOLDS} or more")
    windowed, raw = _features(family, decided, last_layer, window)
    difficulty, rng = found.difficulty, np.random.default_rng(seed)
    text = np.unique(found.text, return_inverse=True)[1]
    draws = rng.integers(len(decided), size=(resamples, len(decided)))
    fold = (rng.permutation(len(decided)) % _FOLDS)[text]
    sets = {"windowed": windowed, "raw": raw, "both": {**windowed, **raw}}
    rows = [(name, name in windowed, values) for name, values in {**windowed, **raw}.items()]
    for name, features in sets.items():
        rows.append((name, name != "raw", _predicted(np.stack(list(features.values()), 1), difficulty, fold)))
    return tuple(
        DifficultyCorrelation(
            name, is_windowed, *_spearman(values, difficulty, text, draws), len(difficulty), len(decided)
        )
        for name, is_windowed, values in rows
    )


def _features(
    family: Any, texts: Sequence[Continuation], depth: int, window: int
) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """Windowed statistics and raw values of each signal, for every decided token."""
    small: SmallFFNs | None = None
    parts = [
        signals(TokenPass(family, text, unit="ffn", small=small).states[:, : depth + 1])[:, -window:] for text in texts
    ]
    whole = torch.cat(parts).double()
    windowed, raw = {}, {}
    for column, name in enumerate(SIGNALS):
        each = whole[..., column]
        found = last(each, statistics=_STATISTICS).cpu().numpy()
        for number, statistic in enumerate(_STATISTICS):
            windowed[f"{name}, {statistic}"] = found[:, number]
        raw[f"{name}, last"] = each[:, -1].cpu().numpy()
        raw[f"{name}, last but one"] = each[:, -2].cpu().numpy()
    return windowed, raw


def _ranks(values: FloatArray) -> FloatArray:
    """Ranks from −½ to ½; what is not there is in the middle."""
    known = ~np.isnan(values)
    found = np.zeros(len(values))
    if known.any():
        found[known] = (rankdata(values[known]) - 0.5) / known.sum() - 0.5
    return found


def _predicted(features: FloatArray, wanted: FloatArray, fold: IntArray) -> FloatArray:
    """Of each token, by ridge regression on ranks fitted to the texts of other folds."""
    ranks = np.stack([_ranks(column) for column in features.T], 1)
    target, found = _ranks(wanted), np.zeros(len(wanted))
    for number in range(_FOLDS):
        held = fold == number
        given = ranks[~held]
        weights = np.linalg.solve(given.T @ given + _RIDGE * np.eye(given.shape[1]), given.T @ target[~held])
        found[held] = ranks[held] @ weights
    return found


def _spearman(values: FloatArray, wanted: FloatArray, text: IntArray, draws: IntArray) -> tuple[float, float, float]:
    """Spearman's correlation, and the interval of 95 % over texts drawn again; ranks are those of all tokens."""
    one, other = _ranks(values), _ranks(wanted)
    many = draws.shape[1]
    sums = [np.bincount(text, part, minlength=many) for part in (one, other, one * one, other * other, one * other)]
    counts = np.bincount(text, minlength=many)

    def correlation(weights: Any) -> Any:
        count = weights @ counts
        first, second, square, other_square, product = (weights @ each / count for each in sums)
        spread = (square - first**2) * (other_square - second**2)
        return np.where(spread > 0, (product - first * second) / np.sqrt(np.maximum(spread, 1e-300)), 0.0)

    times = np.stack([np.bincount(draw, minlength=many) for draw in draws]).astype(float)
    low, high = np.quantile(correlation(times), (0.025, 0.975))
    return float(correlation(np.ones(many))), float(low), float(high)
