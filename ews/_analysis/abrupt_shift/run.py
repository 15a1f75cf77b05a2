"""``ews.abrupt_shift``: where a series changes faster than the rest of it does, over many window lengths."""

from __future__ import annotations

from typing import Any

import numpy as np

from ews import nulls
from ews._analysis.abrupt_shift.result import AbruptShift, AbruptShiftConfig
from ews._common import checks
from ews._common.progress import ProgressOption, reported
from ews._significance.pipeline import in_chunks
from ews._significance.windows import FloatArray, check_test
from ews.errors import SeriesTooShortError, ValueRangeError, described
from ews.series import Duplicates, Missing, as_series

__all__ = ["abrupt_shift"]

# So that the median absolute deviation of normal slopes is their standard deviation.
NORMAL_MAD = 1.4826
# Slopes that differ by less than this share of the series' range per sample are equal but for rounding.
ROUNDING = 1e-12


@reported("drawing surrogates")
def abrupt_shift(
    series: Any,
    *,
    time: Any = None,
    shortest: int = 5,
    longest: int | None = None,
    threshold: float = 3.0,
    null: nulls.NullName = "ar1",
    n_surrogates: int = 500,
    alpha: float = 0.05,
    until: Any = None,
    missing: Missing = "raise",
    duplicates: Duplicates = "raise",
    seed: int | np.random.Generator | None = 0,
    progress: ProgressOption = None,
) -> AbruptShift:
    r"""Score in [−1, 1] of how abruptly a series shifts at each time, and whether noise does the same.

    The series is cut into segments of one length, and those whose slope stands out from the others vote, +1 or −1, for
    their samples. The score is the mean vote over all segment lengths: near ±1 where a shift is abrupt at every scale.

    Parameters
    ----------
    series : array_like of shape (n,)
        List, numpy array, pandas Series, polars Series or 1-D xarray DataArray.
    time : array_like of shape (n,), optional
        Numbers or dates (default: the index of `series`, else 0, 1, …).
    shortest : int, default 5
        Shortest segment, in samples; at least 3.
    longest : int, optional
        Longest segment (default: a third of the series, so that there are three).
    threshold : float, default 3.0
        How many median absolute deviations from the median a slope has to be to vote.
    null : {"ar1", "arma", "fourier", "aaft", "iaaft", "block", "permutation"}, default "ar1"
        Null model of the surrogates, fitted to the series less the step at its largest score.
    n_surrogates : int, default 500
        How many surrogates; 0 for no p-value.
    alpha : float, default 0.05
        Level of the test.
    until : number or date, optional
        Last time used.
    missing : {"raise", "interpolate", "drop"}, default "raise"
        What to do with NaN and with uneven spacing.
    duplicates : {"raise", "mean"}, default "raise"
        What to do with several observations at one time.
    seed : int, numpy.random.Generator or None, default 0
        Seed of the surrogates.
    progress : None, True or callable, default None
        A bar, or a function called as ``progress(done, total)`` (see :func:`ews.detect`).

    Returns
    -------
    AbruptShift
        The score, where its absolute value is largest, and the p-value of that.

    Raises
    ------
    ews.errors.ArgumentError
        For any input that cannot be used.

    Notes
    -----
    For each length :math:`l` from `shortest` to `longest`, the series is cut into :math:`\lfloor n / l \rfloor`
    segments; the samples left over are split between both ends. With the least-squares slopes :math:`b_i`, a segment
    votes :math:`\pm 1` where :math:`|b_i - \mathrm{med}(b)| > 3 \cdot 1.4826\, \mathrm{med}|b - \mathrm{med}(b)|`. The
    score is the sum of votes over lengths, divided by the number of lengths. The place is the middle of the samples
    that share the largest absolute score.

    This is ``as_detect`` of the R package asdetect, with one difference: where samples are left over, the votes there
    fall one sample later than the segments that they belong to.

    Noise with memory drifts, and its score is far from 0 somewhere in every series: a score of 0.5 is no proof. The
    p-value, (1 + r) / (1 + n), is the share of surrogates whose largest absolute score reaches that of the series. The
    null is fitted to the series less the difference of the means before and after the place of the largest score: a
    shift would be taken for memory otherwise, and hide itself. Measured error rates: :doc:`/api/composite`.

    References
    ----------
    Boulton, C. A. & Lenton, T. M. (2019). A new method for detecting abrupt shifts in time series. F1000Research 8,
    746.

    Examples
    --------
    >>> import numpy as np, ews
    >>> x = np.random.default_rng(1).standard_normal(120)
    >>> x[70:] += 8.0
    >>> found = ews.abrupt_shift(x)
    >>> bool(67 <= found.location <= 73), found.warning
    (True, True)
    """
    test = check_test(null=null, n_surrogates=n_surrogates, alpha=alpha, seed=seed)
    threshold = checks.number("threshold", threshold, above=0.0)
    cleaned = as_series(series, time=time, until=until, missing=missing, duplicates=duplicates)
    lengths = _lengths(shortest, longest, len(cleaned))
    if np.ptp(cleaned.values) == 0:
        given = described(f"{len(cleaned)} equal values ({cleaned.values[0]:g})")
        raise ValueRangeError("series", given, "values that vary")
    count = test.n_surrogates
    score = scores(cleaned.values.reshape(1, -1), lengths, threshold)[0]
    statistic = float(np.abs(score).max())
    place = _place(score)
    drawn, sentence = np.empty(0), "no surrogates were drawn"
    if count:
        noise = _without_step(cleaned.values, place, lengths[0])
        if np.ptp(noise) <= ROUNDING * np.ptp(cleaned.values):
            # A step without noise: what would be drawn from its null does not move, and scores 0.
            drawn, sentence = np.zeros(count), "a constant: the series less the step at its largest score has no noise"
        else:
            fitted = nulls.fit(noise, null=null)
            sentence = f"{fitted.sentence}, the residual being the series less the step at its largest score"

            def largest(first: int, rows: int) -> FloatArray:
                found = scores(fitted.draw(first, rows, seed=test.seed), lengths, threshold)
                return np.asarray(np.abs(found).max(axis=1), dtype=np.float64)

            drawn = np.concatenate(in_chunks(largest, count, n=len(cleaned), progress=progress))
    # Scores are multiples of one over the number of lengths: ties count for the null, whatever the rounding.
    reached = drawn >= statistic - 0.5 / len(lengths)
    return AbruptShift(
        series=cleaned,
        score=score,
        position=place,
        location=cleaned.time[place],
        statistic=statistic,
        pvalue=float((1 + reached.sum()) / (1 + count)) if count else np.nan,
        surrogate_statistic=drawn,
        null_sentence=sentence,
        config=AbruptShiftConfig(
            shortest=lengths[0],
            longest=lengths[-1],
            threshold=threshold,
            null=null,
            **test.choices,
            until=None if until is None else str(until),
            missing=missing,
            duplicates=duplicates,
        ),
    )


def _lengths(shortest: Any, longest: Any, n: int) -> range:
    """Segment lengths: from `shortest` to a third of the series, or to what was asked for."""
    first = checks.whole("shortest", shortest, least=3)
    most = n // 3
    if most < first:
        given = described(f"{n} observations")
        raise SeriesTooShortError("series", given, f"at least {3 * first}: three segments of {first}")
    if longest is None:
        return range(first, most + 1)
    allowed = f"an integer from {first} to {most}, a third of the series"
    return range(first, checks.whole("longest", longest, least=first, most=most, allowed=allowed) + 1)


def scores(rows: FloatArray, lengths: range, threshold: float) -> FloatArray:
    """Abrupt-shift score of each row, in [−1, 1].

    A slope votes beyond `threshold` median absolute deviations from the median.
    """
    count, n = rows.shape
    votes = np.zeros((count, n))
    range_of = np.ptp(rows, axis=1)[:, None]
    centred = rows - rows[:, :1]
    for length in lengths:
        segments = n // length
        first = (n - segments * length) // 2
        parts = centred[:, first : first + segments * length].reshape(count, segments, length)
        at = np.arange(length) - 0.5 * (length - 1)
        slopes = parts @ at / (at @ at)
        away = slopes - np.median(slopes, axis=1, keepdims=True)
        spread = NORMAL_MAD * np.median(np.abs(away), axis=1, keepdims=True)
        vote = np.sign(away) * (np.abs(away) > threshold * spread + ROUNDING * range_of)
        votes[:, first : first + segments * length] += np.repeat(vote, length, axis=1)
    return votes / len(lengths)


def _without_step(values: FloatArray, place: int, shortest: int) -> FloatArray:
    """The series less the means before and after `place`, where both sides are long enough to have one."""
    before, after = values[: place + 1], values[place + 1 :]
    if min(before.size, after.size) < shortest:
        return values
    return np.concatenate([before - before.mean(), after - after.mean()])


def _place(score: FloatArray) -> int:
    """Middle of the first run of samples that share the largest absolute score."""
    size = np.round(np.abs(score), 12)
    top = np.flatnonzero(size == size.max())
    run = top[: int(np.argmax(np.append(np.diff(top) > 1, True))) + 1]
    return int(run[(run.size - 1) // 2])
