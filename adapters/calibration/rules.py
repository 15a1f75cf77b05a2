"""Exit rules, from careful to bold: where to look, and how sure a look must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.calibration.costs import Costs
from adapters.calibration.table import Evidence
from adapters.heads.logistic import Logistic

__all__ = ["DepthRule", "FeedRule", "Rule", "choose_rules", "losses_of"]

FloatArray = npt.NDArray[np.float64]

# Probability of a wrong token that a look may leave, from careful to bold.
_TOLERANCES = np.geomspace(5e-4, 0.6, 40)
_GATE_QUANTILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_SWEEPS = 2


@dataclass(frozen=True, slots=True)
class DepthRule:
    """What is done after some layers.

    Attributes
    ----------
    depth : int
        How many.
    gate : Logistic or None
        The regression behind the gate; None where every token is looked at.
    gate_threshold : float
        Log-odds from which it opens.
    threshold : float
        Confidence from which a look confirms.
    """

    depth: int
    gate: Logistic | None
    gate_threshold: float
    threshold: float


@dataclass(frozen=True, slots=True)
class FeedRule:
    """Feed-forward blocks that are left out together.

    Attributes
    ----------
    layers : tuple of int
        The layers whose blocks these are; the gate is asked before the first.
    gate : Logistic
        Log-odds that leaving them out changes nothing.
    gate_threshold : float
        Log-odds from which they are left out.
    """

    layers: tuple[int, ...]
    gate: Logistic
    gate_threshold: float


@dataclass(frozen=True, slots=True)
class Rule:
    """What is done at each depth that is asked.

    Attributes
    ----------
    tolerance : float
        Probability of a wrong token that its looks may leave.
    exits : tuple of DepthRule
        By depth, rising.
    feeds : tuple of FeedRule
        Groups of feed-forward blocks, in the order of their layers.
    """

    tolerance: float
    exits: tuple[DepthRule, ...]
    feeds: tuple[FeedRule, ...] = ()

    def outcome(
        self, evidence: Evidence
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], FloatArray, FloatArray]:
        """What it does with tokens.

        Parameters
        ----------
        evidence : Evidence
            Of the tokens.

        Returns
        -------
        (ndarray, ndarray, ndarray, ndarray), each of shape (tokens,)
            Column of the depth they leave at (−1 where the full head speaks), whether that token agrees with the whole
            model's, how many gates were asked and how many looks taken.
        """
        n = len(evidence.text)
        column = np.full(n, -1)
        agrees = np.ones(n, dtype=bool)
        gates, looks = np.zeros(n), np.zeros(n)
        for each in self.exits:
            at = evidence.depths.index(each.depth)
            running = column < 0
            opened = running
            if each.gate is not None:
                with np.errstate(invalid="ignore"):
                    opened = running & (each.gate.score(evidence.features[:, at]) >= each.gate_threshold)
                gates += running
            looks += opened
            leaves = opened & (evidence.confidence[:, at] >= each.threshold)
            column[leaves] = at
            agrees[leaves] = evidence.correct[leaves, at]
        return column, agrees, gates, looks

    def cost(self, evidence: Evidence, costs: Costs, layers: int) -> FloatArray:
        """Cost of each token, in layers."""
        column, _, gates, looks = self.outcome(evidence)
        depths = np.asarray((*evidence.depths, layers))[column]  # −1 is the last
        run = depths + costs.completion * (layers - depths)
        return run + np.where(column < 0, costs.head, 0.0) + costs.gate * gates + costs.look * looks

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers."""
        return {
            "tolerance": self.tolerance,
            "exits": [
                {
                    "depth": each.depth,
                    "gate": None
                    if each.gate is None
                    else {"weight": each.gate.weight.tolist(), "bias": each.gate.bias},
                    "gate_threshold": each.gate_threshold if np.isfinite(each.gate_threshold) else None,
                    "threshold": each.threshold,
                }
                for each in self.exits
            ],
            "feeds": [
                {
                    "layers": list(each.layers),
                    "gate": {"weight": each.gate.weight.tolist(), "bias": each.gate.bias},
                    "gate_threshold": each.gate_threshold,
                }
                for each in self.feeds
            ],
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Rule:
        """The inverse of :meth:`to_dict`."""
        exits = []
        for each in found["exits"]:
            gate = each["gate"]
            fitted = (
                None if gate is None else Logistic(np.asarray(gate["weight"], dtype=np.float64), float(gate["bias"]))
            )
            limit = each["gate_threshold"]
            exits.append(
                DepthRule(
                    int(each["depth"]), fitted, -np.inf if limit is None else float(limit), float(each["threshold"])
                )
            )
        feeds = tuple(
            FeedRule(
                tuple(int(index) for index in each["layers"]),
                Logistic(np.asarray(each["gate"]["weight"], dtype=np.float64), float(each["gate"]["bias"])),
                float(each["gate_threshold"]),
            )
            for each in found.get("feeds", ())
        )
        return cls(float(found["tolerance"]), tuple(exits), feeds)


def choose_rules(evidence: Evidence, costs: Costs, layers: int) -> list[Rule]:
    """One rule for each tolerance, with the gates that save most on these tokens.

    At each depth a logistic regression turns the confidence of a look into the probability that it is right, and
    another says the same from the gate's features, before the look. For one tolerance after the other, depths are
    gone through in turn: look at every token, only where the gate opens, or at none; whatever is cheapest on the whole.

    Parameters
    ----------
    evidence : Evidence
        Of tokens that nothing was fitted to.
    costs : Costs
        What layers, heads and looks cost.
    layers : int
        Of the model.

    Returns
    -------
    list of Rule
        From careful to bold; rules that never leave are left out.
    """
    count = len(evidence.depths)
    sure = [Logistic.fit(_log_odds(evidence.confidence[:, [at]]), evidence.correct[:, at]) for at in range(count)]
    gates = [Logistic.fit(evidence.features[:, at], evidence.correct[:, at]) for at in range(count)]
    scores = [gate.score(evidence.features[:, at]) for at, gate in enumerate(gates)]
    rules: list[Rule] = []
    seen: set[bytes] = set()  # a rule that does what an earlier one did is not tested again
    for tolerance in _TOLERANCES:
        limits = [_confidence_for(fit, tolerance) for fit in sure]
        chosen: list[DepthRule | None] = [None] * count
        best = costs.dense(layers)
        for _ in range(_SWEEPS):
            for at in reversed(range(count)):
                for option in _options(evidence.depths[at], limits[at], gates[at], scores[at]):
                    trial = [*chosen[:at], option, *chosen[at + 1 :]]
                    rule = Rule(tolerance, tuple(each for each in trial if each is not None))
                    spent = float(rule.cost(evidence, costs, layers).mean())
                    if spent < best - 1e-9:
                        best, chosen = spent, trial
        rule = Rule(float(tolerance), tuple(each for each in chosen if each is not None))
        told = rule.outcome(evidence)[0].tobytes()
        if rule.exits and told not in seen:
            seen.add(told)
            rules.append(rule)
    return rules


def losses_of(
    rules: Sequence[Rule], evidence: Evidence, texts: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Of each rule and text, how many tokens disagree; and of each text how many there are.

    Parameters
    ----------
    rules : sequence of Rule
        The rules.
    evidence : Evidence
        Of the texts.
    texts : ndarray of int64 of shape (texts,)
        Their indices; texts without a token count as of length 0.

    Returns
    -------
    (ndarray of shape (rules, texts), ndarray of shape (texts,))
        Counts.
    """
    order = np.argsort(texts)
    place = order[np.searchsorted(texts[order], evidence.text)]
    sizes = np.bincount(place, minlength=len(texts))
    losses = (
        np.stack([np.bincount(place[~rule.outcome(evidence)[1]], minlength=len(texts)) for rule in rules])
        if rules
        else (np.zeros((0, len(texts)), dtype=np.int64))
    )
    kept = sizes > 0
    return losses[:, kept], sizes[kept]


def _options(depth: int, limit: float, gate: Logistic, scores: FloatArray) -> list[DepthRule | None]:
    """No look at this depth, a look at every token, or at those for which the gate opens."""
    if limit > 1.0:
        return [None]
    every = DepthRule(depth, None, -np.inf, limit)
    known = scores[np.isfinite(scores)]
    if not len(known) or not np.any(gate.weight):
        return [None, every]
    levels = np.quantile(known, _GATE_QUANTILES)
    return [None, every, *(replace(every, gate=gate, gate_threshold=float(level)) for level in levels)]


def _log_odds(share: FloatArray) -> FloatArray:
    kept = np.clip(share, 1e-7, 1 - 1e-7)
    return np.asarray(np.log(kept) - np.log1p(-kept))


def _confidence_for(fit: Logistic, tolerance: float) -> float:
    """The confidence from which a look is wrong with at most this probability; above 1 where none is."""
    if not fit.weight[0] > 0:
        return 0.0 if fit.bias >= np.log((1 - tolerance) / tolerance) else 2.0
    odds = (np.log((1 - tolerance) / tolerance) - fit.bias) / fit.weight[0]
    found = 1.0 / (1.0 + np.exp(-odds))
    return float(found) if found < 1 - 2e-7 else 2.0
