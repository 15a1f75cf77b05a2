"""How far probabilities can be trusted: calibration error, and conformal sets for each exit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters._common.checks import read_count, read_share
from adapters._common.publish import public
from ews.errors import ArgumentError, described

__all__ = ["ConformalSets", "conformal_quantile", "conformal_sets", "expected_calibration_error"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_FEWEST = 20  # an exit with no more calibration points than these takes the quantile of all


def expected_calibration_error(probabilities: npt.ArrayLike, labels: npt.ArrayLike, *, bins: int = 15) -> float:
    """Expected calibration error (ECE) over bins that hold equally many predictions.

    Parameters
    ----------
    probabilities : array_like of shape (n, classes)
        Of each class.
    labels : array_like of int of shape (n,)
        Index of the true class.
    bins : int, default 15
        Quantile bins of the greatest probability; no more than there are predictions are used.

    Returns
    -------
    float
        Mean over predictions of the distance between accuracy and mean probability in their bin.

    Raises
    ------
    ews.errors.ArgumentError
        If the arrays do not fit each other.

    References
    ----------
    Naeini, M. P., Cooper, G. F. & Hauskrecht, M. (2015). Obtaining well calibrated probabilities using Bayesian
    binning. AAAI 29. Nguyen, K. & O'Connor, B. (2015). Posterior calibration and exploratory analysis for natural
    language processing models. EMNLP 2015 (bins of equal size).

    Examples
    --------
    >>> expected_calibration_error([[0.8, 0.2]] * 10, [0] * 8 + [1] * 2, bins=1)
    0.0
    """
    said, truth = _read(probabilities, labels)
    count = min(read_count("bins", bins), len(said))
    sure = said.max(axis=1)
    right = said.argmax(axis=1) == truth
    order = np.argsort(sure, kind="stable")
    gaps = [
        len(each) * abs(float(right[each].mean()) - float(sure[each].mean())) for each in np.array_split(order, count)
    ]
    return round(math.fsum(gaps) / len(said), 15)


def conformal_quantile(scores: npt.ArrayLike, *, alpha: float) -> float:
    """Quantile of split conformal prediction: the ⌈(n + 1)(1 − α)⌉-th smallest of n scores.

    Parameters
    ----------
    scores : array_like of shape (n,)
        Of calibration points.
    alpha : float
        Share of sets that may miss the truth, within (0, 1).

    Returns
    -------
    float
        Infinity where n is too small for that share: then every class is in the set.

    Raises
    ------
    ews.errors.ArgumentError
        If alpha is no such number.

    References
    ----------
    Vovk, V., Gammerman, A. & Shafer, G. (2005). Algorithmic learning in a random world. Springer. Angelopoulos, A. N. &
    Bates, S. (2023). Conformal prediction: a gentle introduction. Found. Trends Mach. Learn. 16, 494–591.

    Examples
    --------
    >>> conformal_quantile([0.1, 0.2, 0.3, 0.4], alpha=0.4), conformal_quantile([0.1, 0.2], alpha=0.1)
    (0.3, inf)
    """
    share = _read_alpha(alpha)
    ordered = np.sort(np.asarray(scores, dtype=np.float64).ravel())
    place = math.ceil((len(ordered) + 1) * (1.0 - share) * (1.0 - 1e-12))
    return math.inf if place > len(ordered) else float(ordered[place - 1])


@public("adapters.encoders")
@dataclass(frozen=True, slots=True)
class ConformalSets:
    """Quantiles of the score 1 − p(true class), one for each exit with enough calibration points.

    Attributes
    ----------
    alpha : float
        Share of sets that may miss the truth.
    everywhere : float
        Quantile of all calibration points, for exits with too few of their own.
    of_exits : mapping of int to float
        Depth → quantile of those that left there.
    n : int
        Calibration points.
    """

    alpha: float
    everywhere: float
    of_exits: Mapping[int, float]
    n: int

    def sets(self, probabilities: npt.ArrayLike, depths: npt.ArrayLike) -> BoolArray:
        """Which classes are in the set of each row.

        Parameters
        ----------
        probabilities : array_like of shape (n, classes)
            What each row left with.
        depths : array_like of int of shape (n,)
            After how many layers.

        Returns
        -------
        ndarray of bool of shape (n, classes)
            True for classes in the set.
        """
        said = np.asarray(probabilities, dtype=np.float64)
        limits = np.array([self.of_exits.get(int(depth), self.everywhere) for depth in np.asarray(depths)])
        return np.asarray(1.0 - said <= limits[:, None])

    def measure(self, probabilities: npt.ArrayLike, depths: npt.ArrayLike, labels: npt.ArrayLike) -> dict[str, float]:
        """Coverage and mean size of the sets of new rows.

        Parameters
        ----------
        probabilities, depths : array_like
            As for :meth:`sets`.
        labels : array_like of int of shape (n,)
            Index of the true class.

        Returns
        -------
        dict
            ``"coverage"`` and ``"size"``.
        """
        said, truth = _read(probabilities, labels)
        held = self.sets(said, depths)
        return {"coverage": float(held[np.arange(len(truth)), truth].mean()), "size": float(held.sum(axis=1).mean())}

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers; None for infinity.

        Returns
        -------
        dict
            Ready for :func:`json.dumps`.
        """

        def plain(value: float) -> float | None:
            return value if math.isfinite(value) else None

        exits = {str(depth): plain(value) for depth, value in self.of_exits.items()}
        return {"alpha": self.alpha, "everywhere": plain(self.everywhere), "of_exits": exits, "n": self.n}


def conformal_sets(
    probabilities: npt.ArrayLike, depths: npt.ArrayLike, labels: npt.ArrayLike, *, alpha: float = 0.1
) -> ConformalSets:
    """Split conformal prediction for each exit: sets that hold the true class with probability 1 − α or more.

    Parameters
    ----------
    probabilities : array_like of shape (n, classes)
        What calibration rows left with; nothing may have been fitted to them.
    depths : array_like of int of shape (n,)
        After how many layers.
    labels : array_like of int of shape (n,)
        Index of the true class.
    alpha : float, default 0.1
        Share of sets that may miss the truth, within (0, 1).

    Returns
    -------
    ConformalSets
        An exit with more than 20 calibration points has a quantile of its own; the others share that of all.

    Raises
    ------
    ews.errors.ArgumentError
        If the arrays do not fit each other, or alpha is no such number.

    Examples
    --------
    >>> found = conformal_sets([[0.7, 0.3]] * 40, [2] * 40, [0] * 36 + [1] * 4, alpha=0.2)
    >>> found.measure([[0.7, 0.3]], [2], [0])
    {'coverage': 1.0, 'size': 1.0}
    """
    said, truth = _read(probabilities, labels)
    left = np.asarray(depths)
    if left.shape != truth.shape:
        raise ArgumentError("depths", described(f"shape {left.shape}"), f"shape {truth.shape}")
    scores = 1.0 - said[np.arange(len(truth)), truth]
    exits = {
        int(depth): conformal_quantile(scores[left == depth], alpha=alpha)
        for depth in np.unique(left)
        if (left == depth).sum() > _FEWEST
    }
    return ConformalSets(_read_alpha(alpha), conformal_quantile(scores, alpha=alpha), exits, len(truth))


def _read(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    said, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    if said.ndim != 2 or not len(said):
        raise ArgumentError("probabilities", described(f"shape {said.shape}"), "shape (n, classes), n from 1 on")
    if truth.shape != said.shape[:1] or truth.dtype.kind not in "iu":
        given = described(f"{truth.dtype} of shape {truth.shape}")
        raise ArgumentError("labels", given, f"whole numbers of shape ({len(said)},)")
    if truth.min() < 0 or truth.max() >= said.shape[1]:
        raise ArgumentError("labels", described(f"{truth.min()} to {truth.max()}"), f"0 to {said.shape[1] - 1}")
    return said, truth.astype(np.int64)


def _read_alpha(alpha: object) -> float:
    share = read_share("alpha", alpha)
    if share in (0.0, 1.0):
        raise ArgumentError("alpha", alpha, "a number within (0, 1)")
    return share
