"""Exit rules, from conservative to aggressive: where to predict, and how sure a prediction must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.calibration.costs import Costs
from adapters.calibration.table import ExitTable
from adapters.heads.logistic import Logistic

__all__ = ["TOLERANCES", "DepthRule", "SkipRule", "Rule", "choose_rules", "losses_of"]

FloatArray = npt.NDArray[np.float64]

# Probability of a wrong token that a prediction may leave, from conservative to aggressive.
TOLERANCES = np.geomspace(5e-4, 0.6, 40)
_CLASSIFIER_QUANTILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_SWEEPS = 2


@dataclass(frozen=True, slots=True)
class DepthRule:
    """Early exit after some layers.

    Attributes
    ----------
    depth : int
        How many.
    classifier : Logistic or None
        The regression behind the classifier; None where a prediction is made for every token.
    classifier_threshold : float
        Log-odds from which it opens.
    threshold : float
        Confidence from which a prediction confirms.
    """

    depth: int
    classifier: Logistic | None
    classifier_threshold: float
    threshold: float


@dataclass(frozen=True, slots=True)
class SkipRule:
    """FFN skip: feed-forward blocks that are left out together.

    Attributes
    ----------
    layers : tuple of int
        The layers whose blocks these are; the classifier is asked before the first.
    classifier : Logistic
        Log-odds that leaving them out changes nothing.
    classifier_threshold : float
        Log-odds from which they are left out.
    """

    layers: tuple[int, ...]
    classifier: Logistic
    classifier_threshold: float


@dataclass(frozen=True, slots=True)
class Rule:
    """Exit rule: what is done at each depth that is asked.

    Attributes
    ----------
    tolerance : float
        Probability of a wrong token that its predictions may leave.
    exits : tuple of DepthRule
        By depth, rising.
    feeds : tuple of SkipRule
        Groups of feed-forward blocks, in the order of their layers.
    """

    tolerance: float
    exits: tuple[DepthRule, ...]
    skips: tuple[SkipRule, ...] = ()

    def outcome(self, table: ExitTable) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], FloatArray, FloatArray]:
        """What it does with tokens.

        Parameters
        ----------
        table : ExitTable
            Of the tokens.

        Returns
        -------
        (ndarray, ndarray, ndarray, ndarray), each of shape (tokens,)
            Column of the depth they leave at (−1 where the full head speaks), whether that token agrees with the full
            model's, how many classifiers were asked and how many predictions made.
        """
        n = len(table.text)
        column = np.full(n, -1)
        agrees = np.ones(n, dtype=bool)
        classifiers, predictions = np.zeros(n), np.zeros(n)
        for each in self.exits:
            at = table.depths.index(each.depth)
            running = column < 0
            opened = running
            if each.classifier is not None:
                with np.errstate(invalid="ignore"):
                    opened = running & (each.classifier.score(table.features[:, at]) >= each.classifier_threshold)
                classifiers += running
            predictions += opened
            leaves = opened & (table.confidence[:, at] >= each.threshold)
            column[leaves] = at
            agrees[leaves] = table.correct[leaves, at]
        return column, agrees, classifiers, predictions

    def cost(self, table: ExitTable, costs: Costs, layers: int) -> FloatArray:
        """Cost of each token, in layers."""
        column, _, classifiers, predictions = self.outcome(table)
        depths = np.asarray((*table.depths, layers))[column]  # −1 is the last
        run = depths + costs.completion * (layers - depths)
        asked = costs.classifier * classifiers + costs.prediction * predictions
        return run + np.where(column < 0, costs.head, 0.0) + asked

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers."""
        return {
            "tolerance": self.tolerance,
            "exits": [
                {
                    "depth": each.depth,
                    "gate": None
                    if each.classifier is None
                    else {"weight": each.classifier.weight.tolist(), "bias": each.classifier.bias},
                    "gate_threshold": each.classifier_threshold if np.isfinite(each.classifier_threshold) else None,
                    "threshold": each.threshold,
                }
                for each in self.exits
            ],
            "feeds": [
                {
                    "layers": list(each.layers),
                    "gate": {"weight": each.classifier.weight.tolist(), "bias": each.classifier.bias},
                    "gate_threshold": each.classifier_threshold,
                }
                for each in self.skips
            ],
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Rule:
        """The inverse of :meth:`to_dict`."""
        exits = []
        for each in found["exits"]:
            classifier = each["gate"]
            fitted = (
                None
                if classifier is None
                else Logistic(np.asarray(classifier["weight"], dtype=np.float64), float(classifier["bias"]))
            )
            limit = each["gate_threshold"]
            exits.append(
                DepthRule(
                    int(each["depth"]), fitted, -np.inf if limit is None else float(limit), float(each["threshold"])
                )
            )
        skips = tuple(
            SkipRule(
                tuple(int(index) for index in each["layers"]),
                Logistic(np.asarray(each["gate"]["weight"], dtype=np.float64), float(each["gate"]["bias"])),
                float(each["gate_threshold"]),
            )
            for each in found.get("feeds", ())
        )
        return cls(float(found["tolerance"]), tuple(exits), skips)


def choose_rules(
    table: ExitTable, costs: Costs, layers: int, *, tolerances: Sequence[float] | FloatArray = TOLERANCES
) -> list[Rule]:
    """One rule for each tolerance, with the classifiers that save most on these tokens.

    At each depth a logistic regression turns the confidence of a prediction into the probability that it is right, and
    another says the same from the classifier's features, before the prediction. For one tolerance after the other,
    depths are gone through in turn: a prediction for every token, only where the classifier opens, or for none;
    whatever is cheapest on the whole.

    Parameters
    ----------
    table : ExitTable
        Of tokens that nothing was fitted to.
    costs : Costs
        What layers, heads and predictions cost.
    layers : int
        Of the model.
    tolerances : sequence of float, optional
        Probabilities of a wrong token that a prediction may leave, rising.

    Returns
    -------
    list of Rule
        From conservative to aggressive; rules that never leave are left out.
    """
    count = len(table.depths)
    sure = [Logistic.fit(_log_odds(table.confidence[:, [at]]), table.correct[:, at]) for at in range(count)]
    classifiers = [Logistic.fit(table.features[:, at], table.correct[:, at]) for at in range(count)]
    scores = [classifier.score(table.features[:, at]) for at, classifier in enumerate(classifiers)]
    rules: list[Rule] = []
    seen: set[bytes] = set()  # a rule that does what an earlier one did is not tested again
    for tolerance in tolerances:
        limits = [_confidence_for(fit, float(tolerance)) for fit in sure]
        chosen: list[DepthRule | None] = [None] * count
        best = costs.full_model(layers)
        for _ in range(_SWEEPS):
            for at in reversed(range(count)):
                for option in _options(table.depths[at], limits[at], classifiers[at], scores[at]):
                    trial = [*chosen[:at], option, *chosen[at + 1 :]]
                    rule = Rule(tolerance, tuple(each for each in trial if each is not None))
                    spent = float(rule.cost(table, costs, layers).mean())
                    if spent < best - 1e-9:
                        best, chosen = spent, trial
        rule = Rule(float(tolerance), tuple(each for each in chosen if each is not None))
        told = rule.outcome(table)[0].tobytes()
        if rule.exits and told not in seen:
            seen.add(told)
            rules.append(rule)
    return rules


def losses_of(
    rules: Sequence[Rule], table: ExitTable, texts: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Of each rule and text, how many tokens disagree; and of each text how many there are.

    Parameters
    ----------
    rules : sequence of Rule
        The rules.
    table : ExitTable
        Of the texts.
    texts : ndarray of int64 of shape (texts,)
        Their indices; texts without a token count as of length 0.

    Returns
    -------
    (ndarray of shape (rules, texts), ndarray of shape (texts,))
        Counts.
    """
    order = np.argsort(texts)
    place = order[np.searchsorted(texts[order], table.text)]
    sizes = np.bincount(place, minlength=len(texts))
    losses = (
        np.stack([np.bincount(place[~rule.outcome(table)[1]], minlength=len(texts)) for rule in rules])
        if rules
        else (np.zeros((0, len(texts)), dtype=np.int64))
    )
    kept = sizes > 0
    return losses[:, kept], sizes[kept]


def _options(depth: int, limit: float, classifier: Logistic, scores: FloatArray) -> list[DepthRule | None]:
    """No prediction at this depth, one for every token, or for those for which the classifier opens."""
    if limit > 1.0:
        return [None]
    every = DepthRule(depth, None, -np.inf, limit)
    known = scores[np.isfinite(scores)]
    if not len(known) or not np.any(classifier.weight):
        return [None, every]
    levels = np.quantile(known, _CLASSIFIER_QUANTILES)
    return [
        None,
        every,
        *(replace(every, classifier=classifier, classifier_threshold=float(level)) for level in levels),
    ]


def _log_odds(share: FloatArray) -> FloatArray:
    kept = np.clip(share, 1e-7, 1 - 1e-7)
    return np.asarray(np.log(kept) - np.log1p(-kept))


def _confidence_for(fit: Logistic, tolerance: float) -> float:
    """The confidence from which a prediction is wrong with at most this probability; above 1 where none is."""
    if not fit.weight[0] > 0:
        return 0.0 if fit.bias >= np.log((1 - tolerance) / tolerance) else 2.0
    odds = (np.log((1 - tolerance) / tolerance) - fit.bias) / fit.weight[0]
    found = 1.0 / (1.0 + np.exp(-odds))
    return float(found) if found < 1 - 2e-7 else 2.0
