"""Calibration of FFN-SkipLLM: cold regions, blocks in turn and threshold for a share of blocks to leave out.

The cosines are read from the full model's own states, on which the greedy rule is played through for every candidate.
What is left out changes the states that follow, so candidates are then replayed, and the threshold is moved until the
share is the one that was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from adapters._common.checks import read_count, read_share
from adapters._common.publish import public
from adapters.calibration.exits import reporting
from adapters.families import Family, family_of
from adapters.heads.ffn_skip import GreedyFFNSkip, residual_cosine
from adapters.texts.ablation import ablate_ffn
from adapters.texts.continuations import Continuation, full_model_continuations
from adapters.texts.reading import IntArray
from adapters.texts.replaying import Replay, replay
from ews.errors import ArgumentError, InputTypeError, ValueRangeError, described

__all__ = ["FFNSkipCalibration", "calibrate_ffn_skip", "greedy_skips"]

FloatArray = npt.NDArray[np.float64]

_LEAST_TEXTS = 8
_IN_TURN = (1, 2)
_REFINEMENTS = 4


@public("adapters")
@dataclass(frozen=True, slots=True)
class FFNSkipCalibration:
    """Calibration of :class:`adapters.FFNSkipPolicy`: what was chosen, and what it does on other texts.

    Attributes
    ----------
    threshold, k, cold_start, cold_end
        Options of the policy.
    skip_ratio : float
        Share of feed-forward blocks that was wanted.
    realised, agreement : float
        Share that is left out, and share of tokens that are those of the full model given the same text before them,
        on texts that nothing was chosen on.
    cosines : tuple of float
        Mean cosine of the residual stream before and after the block of each layer, in the full model.
    texts, tokens : int
        How many measured.
    max_new_tokens, seed : int
        Length of the continuations, and seed of the split.
    """

    threshold: float
    k: int
    cold_start: int
    cold_end: int
    skip_ratio: float
    realised: float
    agreement: float
    cosines: tuple[float, ...]
    texts: int
    tokens: int
    max_new_tokens: int
    seed: int

    @property
    def options(self) -> dict[str, Any]:
        """What :class:`adapters.FFNSkipPolicy` takes."""
        return {name: getattr(self, name) for name in ("threshold", "k", "cold_start", "cold_end")}

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers and lists, for :func:`json.dumps`."""
        return asdict(self) | {"cosines": list(self.cosines)}


@dataclass(frozen=True, slots=True)
class _Candidate:
    k: int
    start: int
    end: int
    threshold: float
    share: float
    agreement: float


def greedy_skips(cosines: npt.ArrayLike, *, threshold: float, k: int, cold_start: int, cold_end: int) -> IntArray:
    """How many blocks of each token the greedy rule leaves out, given the cosines after every block.

    Parameters
    ----------
    cosines : array_like of shape (tokens, layers)
        Cosine of the residual stream before and after each block.
    threshold, k, cold_start, cold_end
        Options of :class:`adapters.FFNSkipPolicy`.

    Returns
    -------
    ndarray of int64 of shape (tokens,)
        Counts.

    Examples
    --------
    >>> greedy_skips([[0.9, 0.9, 0.9, 0.9], [0.9, 0.1, 0.9, 0.9]], threshold=0.5, k=1, cold_start=0, cold_end=4)
    array([2, 2])
    """
    found = np.asarray(cosines, dtype=np.float64)
    left, skipped = np.zeros((2, len(found)), dtype=np.int64)
    for layer in range(cold_start, cold_end):
        skips = left > 0
        left[skips] -= 1
        skipped += skips
        left[~skips & (found[:, layer] >= threshold)] = k
    return skipped


def calibrate_ffn_skip(
    model: Any,
    tokenizer: Any,
    texts: Sequence[Any],
    *,
    skip_ratio: float = 0.25,
    k: int | None = None,
    max_new_tokens: int = 64,
    seed: int = 0,
    progress: bool = True,
) -> FFNSkipCalibration:
    """Choose and measure; see :meth:`adapters.FFNSkipPolicy.calibrate`, which this stands behind.

    Parameters
    ----------
    model, tokenizer, texts, skip_ratio, k, max_new_tokens, seed, progress
        See :meth:`adapters.FFNSkipPolicy.calibrate`.

    Returns
    -------
    FFNSkipCalibration
        What was found.
    """
    family = family_of(model)
    wanted = read_share("skip_ratio", skip_ratio)
    counts = _IN_TURN if k is None else (read_count("k", k),)
    if isinstance(texts, str):
        raise InputTypeError("texts", texts, "a list of texts")
    if len(texts) < _LEAST_TEXTS:
        raise ArgumentError("texts", described(f"{len(texts)} texts"), f"{_LEAST_TEXTS} or more")
    lengths = {each: _lengths(family.depth, wanted, each) for each in counts}
    if not wanted or not any(lengths.values()):
        most = max(sum(_played(family.depth, each)) / family.depth for each in counts)
        raise ValueRangeError("skip_ratio", skip_ratio, f"above 0, and at most {most:g} with k={max(counts)}")
    order = np.random.default_rng(seed).permutation(len(texts))
    chosen_on, measured_on = order[: len(texts) // 2], order[len(texts) // 2 :]
    tries = sum(len(each) for each in lengths.values()) * 2 + _REFINEMENTS
    with reporting(progress, 2 * len(texts) + tries * len(chosen_on)) as advance:
        written = full_model_continuations(
            model, texts, tokenizer=tokenizer, max_new_tokens=max_new_tokens, progress=advance
        )
        cosines = _cosines(family, written, chosen_on)
        replays = _Replays(model, [written[index] for index in chosen_on])
        search = _Search(replays, cosines, wanted, advance, layers=family.depth)
        candidates = [
            search.at(each, *_warmest(cosines.mean(axis=0), length))
            for each, possible in lengths.items()
            for length in possible
        ]
        best = max(candidates, key=lambda each: each.agreement - abs(each.share - wanted))
        best = search.refined(best)
        seen = _Replays(model, [written[index] for index in measured_on]).of(best)
        advance(len(measured_on))
    return FFNSkipCalibration(
        threshold=best.threshold,
        k=best.k,
        cold_start=best.start,
        cold_end=best.end,
        skip_ratio=wanted,
        realised=_share_of(seen, family.depth),
        agreement=seen.agreement,
        cosines=tuple(cosines.mean(axis=0).tolist()),
        texts=len(measured_on),
        tokens=len(seen.agrees),
        max_new_tokens=max_new_tokens,
        seed=seed,
    )


def _played(layers: int, k: int) -> list[int]:
    """Which of so many layers are left out where every block that runs is followed by k that do not."""
    return [int(layer % (k + 1) > 0) for layer in range(layers)]


def _lengths(layers: int, wanted: float, k: int) -> tuple[int, ...]:
    """How many layers may lie between the cold regions: as few as it takes for the share, or all."""
    enough = [length for length in range(1, layers + 1) if sum(_played(length, k)) >= wanted * layers]
    if not enough:
        return ()
    return tuple(dict.fromkeys((enough[0], layers)))


def _warmest(means: FloatArray, length: int) -> tuple[int, int]:
    """Where so many layers in turn have the highest cosines."""
    sums = np.convolve(means, np.ones(length), mode="valid")
    start = int(sums.argmax())
    return start, start + length


@torch.no_grad()
def _cosines(family: Family, written: Sequence[Continuation], indices: npt.NDArray[np.int64]) -> FloatArray:
    """Of each token that a policy decides on, after the block of each layer of the full model."""
    found = []
    for each in ablate_ffn(family, written, indices=indices, groups=()):
        pairs = zip(each.post_attention, each.states[1:], strict=True)
        found.append(torch.stack([residual_cosine(*pair).double().cpu() for pair in pairs], dim=1).numpy())
    return np.concatenate(found)


class _Search:
    """Thresholds for a share, on some texts."""

    def __init__(
        self, replays: _Replays, cosines: FloatArray, wanted: float, advance: Callable[[int], None], *, layers: int
    ) -> None:
        self.replays, self.cosines, self.wanted, self.advance, self.layers = replays, cosines, wanted, advance, layers

    def at(self, k: int, start: int, end: int) -> _Candidate:
        """The threshold by which the greedy rule leaves out the share, corrected once by a replay."""
        first = self._tried(k, start, end, self.wanted)
        corrected = self.wanted * self.wanted / first.share if first.share else 1.0
        return min((first, self._tried(k, start, end, corrected)), key=self._distance)

    def refined(self, candidate: _Candidate) -> _Candidate:
        """Bisect between cosines that were seen until the share is met as nearly as can be."""
        levels = np.unique(self.cosines[:, candidate.start : candidate.end])
        low, high, best = 0, len(levels) - 1, candidate
        at = int(np.searchsorted(levels, candidate.threshold))
        spread = max(1, len(levels) // 8)
        low, high = max(low, at - spread), min(high, at + spread)
        for _ in range(_REFINEMENTS):
            middle = (low + high) // 2
            found = self._replayed(candidate.k, candidate.start, candidate.end, float(levels[middle]))
            best = min((best, found), key=self._distance)
            low, high = (middle, high) if found.share > self.wanted else (low, middle)
        return best

    def _distance(self, candidate: _Candidate) -> float:
        return abs(candidate.share - self.wanted)

    def _tried(self, k: int, start: int, end: int, share: float) -> _Candidate:
        """With the threshold that the recorded cosines give for a share."""
        levels = np.unique(np.quantile(self.cosines[:, start:end], np.linspace(0, 1, 201)))
        shares = [
            greedy_skips(self.cosines, threshold=level, k=k, cold_start=start, cold_end=end).mean() / self.layers
            for level in levels
        ]
        return self._replayed(k, start, end, float(levels[int(np.abs(np.array(shares) - share).argmin())]))

    def _replayed(self, k: int, start: int, end: int, threshold: float) -> _Candidate:
        candidate = _Candidate(k, start, end, threshold, math.nan, math.nan)
        seen = self.replays.of(candidate)
        self.advance(len(self.replays.texts))
        return _Candidate(k, start, end, threshold, _share_of(seen, self.layers), seen.agreement)


class _Replays:
    """Replays of candidates on the same texts, beside one of the full model, which is run once."""

    def __init__(self, model: Any, texts: Sequence[Continuation]) -> None:
        self.model, self.texts = model, texts
        whole = GreedyFFNSkip(
            threshold=1.0, k=0, cold_start=None, cold_end=None
        )  # with none in turn, nothing is left out
        self._full_model = replay(model, whole, texts)

    def of(self, candidate: _Candidate) -> Replay:
        """Of one candidate."""
        policy = GreedyFFNSkip(
            threshold=candidate.threshold, k=candidate.k, cold_start=candidate.start, cold_end=candidate.end
        )
        return replay(self.model, policy, self.texts, full_model=self._full_model)


def _share_of(seen: Replay, layers: int) -> float:
    return float((seen.layers - seen.ffn_blocks).mean() / layers)
