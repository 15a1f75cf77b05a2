"""What an oracle found, and what a policy regrets beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from adapters._common.checks import read_count
from adapters._common.publish import public
from adapters.texts.replaying import Replay
from ews.errors import ArgumentError, ValueRangeError, described

__all__ = ["Oracle", "Regret", "mean_interval"]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
IntArray = np.ndarray[Any, np.dtype[np.int64]]


@public("adapters")
@dataclass(frozen=True, slots=True)
class Oracle:
    """Oracle of a model on texts: lowest losses and the routes that reach them.

    Attributes
    ----------
    unit : str
        What a route chooses for: "ffn", "layer" or "exit".
    choices : tuple of str
        What a block may be.
    search : str
        "exact", "beam" or "sample": with the last two the lowest loss may be lower still.
    routes : int or None
        How many routes each token was sent on, if all.
    seed : int
        Of random routes.
    budgets : tuple of int
        Numbers of whole blocks that were looked at.
    text, position : ndarray of int64 of shape (tokens,)
        Which text a token is of, and where in it; it predicts the token after it.
    loss : ndarray of float64 of shape (tokens, depth + 1)
        Lowest loss with so many whole blocks, in nats; NaN where that was not looked at.
    route : ndarray of int8 of shape (tokens, depth + 1, depth)
        Its route, :class:`adapters.FFNRoute` of each block.
    full_loss, least_loss : ndarray of float64 of shape (tokens,)
        With all blocks whole; with the least that there is: all small, or else none (layers: the first alone).
    """

    unit: str
    choices: tuple[str, ...]
    search: str
    routes: int | None
    seed: int
    budgets: tuple[int, ...]
    text: IntArray
    position: IntArray
    loss: FloatArray
    route: np.ndarray[Any, np.dtype[np.int8]]
    full_loss: FloatArray
    least_loss: FloatArray

    def best(self, budget: int | IntArray | None = None) -> FloatArray:
        """Lowest loss of each token with at most so many whole blocks (default: with any number).

        Parameters
        ----------
        budget : int or ndarray of int of shape (tokens,), optional
            For all tokens, or for each.

        Returns
        -------
        ndarray of float64 of shape (tokens,)
            In nats; NaN where no such budget was looked at.
        """
        known = np.where(np.isnan(self.loss), np.inf, self.loss)
        lowest = np.minimum.accumulate(known, axis=1)
        at = np.broadcast_to(np.asarray(lowest.shape[1] - 1 if budget is None else budget), self.text.shape)
        if at.dtype.kind not in "iu" or at.min() < 0 or at.max() >= lowest.shape[1]:
            raise ValueRangeError("budget", budget, f"whole numbers from 0 to {lowest.shape[1] - 1}")
        found = lowest[np.arange(len(at)), at]
        return np.where(np.isfinite(found), found, np.nan)

    @property
    def difficulty(self) -> FloatArray:
        """What computing is worth to each token: its loss with the least that there is, less the oracle's.

        It is not the loss itself: a token that nothing helps to predict is not difficult in this sense.
        """
        difficulty: FloatArray = self.least_loss - self.best()
        return difficulty

    def regret(self, replayed: Replay, *, resamples: int = 2000, seed: int = 0) -> Regret:
        """Regret of a policy: its loss less the oracle's with as many whole blocks, token by token.

        Parameters
        ----------
        replayed : Replay
            Of the policy on the same texts.
        resamples : int, default 2000
            Of texts, for the interval.
        seed : int, default 0
            Of these.

        Returns
        -------
        Regret
            The mean and its interval. A policy that changes the past of a token, as one that copies states upwards
            does, can do better than an oracle before the full model's past: a regret below 0 is possible there.

        Raises
        ------
        ews.errors.ArgumentError
            If it is of other texts.
        """
        if len(replayed.text) != len(self.text) or (replayed.text != self.text).any():
            raise ArgumentError("replayed", described("a replay of other texts"), "one of those of the oracle")
        if not np.allclose(-replayed.full_model_log_likelihood, self.full_loss, rtol=0.05, atol=0.05):
            raise ArgumentError("replayed", described("a replay of another model or texts"), "that of the oracle")
        read_count("resamples", resamples)
        values = -replayed.log_likelihood - self.best(replayed.ffn_blocks)
        if np.isnan(values).any():
            given = described(f"a replay with {int(replayed.ffn_blocks.min())} whole blocks in a token")
            raise ArgumentError("replayed", given, f"budgets that were looked at ({self.budgets[0]} or more)")
        low, high = mean_interval(values, self.text, resamples=resamples, seed=seed)
        return Regret(
            replayed.policy,
            self.unit,
            self.search,
            float(values.mean()),
            low,
            high,
            float(replayed.ffn_blocks.mean()),
            values,
        )


@public("adapters")
@dataclass(frozen=True, slots=True)
class Regret:
    """Regret of a policy beside an oracle at the same budget.

    Attributes
    ----------
    policy, unit, search : str
        Whose, and beside which oracle.
    mean, low, high : float
        In nats a token, with the interval of 95 % over texts.
    blocks : float
        Mean number of whole blocks of a token.
    values : ndarray of float64 of shape (tokens,)
        Of each token.
    """

    policy: str
    unit: str
    search: str
    mean: float
    low: float
    high: float
    blocks: float
    values: FloatArray


def mean_interval(values: FloatArray, text: IntArray, *, resamples: int, seed: int) -> tuple[float, float]:
    """Interval of 95 % of a mean over tokens, texts being drawn again (percentile bootstrap)."""
    texts, at = np.unique(text, return_inverse=True)
    sums, counts = np.bincount(at, values), np.bincount(at)
    drawn = np.random.default_rng(seed).integers(len(texts), size=(resamples, len(texts)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
