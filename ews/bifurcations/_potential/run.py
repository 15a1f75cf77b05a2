"""``ews.bifurcations.potential``: the wells of the potential that the values were drawn from, through time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ews import nulls
from ews._common import checks
from ews._common.progress import ProgressOption, reported
from ews._common.transforms import Transform
from ews._significance.pipeline import Stages, in_chunks
from ews._significance.windows import Prepared, SurrogateTest, check_test, prepare
from ews.bifurcations._potential.result import PotentialConfig, PotentialWells
from ews.bifurcations._potential.wells import find_wells, kernel_density, rule_of_thumb, windows_of
from ews.series import Duplicates, Missing

__all__ = ["potential"]

FloatArray = npt.NDArray[np.float64]

SHORTEST_WINDOW = 20  # a kernel density of fewer values shows the values
GRID_POINTS = 512
MARGIN = 3.0  # bandwidths beyond the extremes


@reported("drawing surrogates")
def potential(
    series: Any,
    *,
    time: Any = None,
    detrend: str | None = None,
    bandwidth: float | None = None,
    window: float = 0.5,
    kernel_bandwidth: float | None = None,
    barrier: float = 0.1,
    noise: float = 1.0,
    n_bootstrap: int = 200,
    null: nulls.NullName = "ar1",
    n_surrogates: int = 200,
    alpha: float = 0.05,
    causal: bool = False,
    until: Any = None,
    missing: Missing = "raise",
    duplicates: Duplicates = "raise",
    season: int | None = None,
    transform: Transform = None,
    seed: int | np.random.Generator | None = 0,
    progress: ProgressOption = None,
) -> PotentialWells:
    r"""Potential analysis: how many wells the potential has, where, and how sure that is, over the record and in time.

    A state that moves in a potential U under white noise, dx = −U'(x) dt + σ dW, has the stationary density
    f ∝ exp(−2U/σ²), so that

        U(x) = −(σ²/2) ln f(x) + constant.

    f is estimated by a Gaussian kernel. Two wells are two states between which the system can be tipped by noise; a
    second well that appears in the course of the record, or a first one that vanishes, is a change of the landscape.

    Parameters
    ----------
    series : array_like of shape (n,)
        List, numpy array, pandas Series, polars Series or 1-D xarray DataArray.
    time : array_like of shape (n,), optional
        Numbers or dates (default: the index of `series`, else 0, 1, …).
    detrend : {"gaussian", "ksmooth", "lowess", "loess", "linear", "difference", ...} or None, default None
        What is taken out first. None, because the levels are what is asked about; a smoother would take jumps between
        two states for a trend.
    bandwidth : float or int, optional
        Bandwidth or span of the detrending (default: the method's own).
    window : float or int, default 0.5
        Window of the wells through time: a fraction of the record or a number of samples, at least 20.
    kernel_bandwidth : float, optional
        SD of the kernel, in the units of the series. Default: 1.06 min(SD, IQR/1.34) n^(−1/5) of the values it is used
        on (R's ``nrd``), in each window anew. It smooths a two-humped density more than is best, and so counts wells
        cautiously.
    barrier : float, default 0.1
        Lowest barrier between two wells, in units of σ²/2: the density at the shallower well is at least exp(0.1) = 1.1
        times that at the saddle. Lower dips are ripples of the estimate and are merged. A well counts only where the
        density is at least a tenth of the highest.
    noise : float, default 1.0
        σ, in the units of the series per square root of time: a factor σ² of the whole potential. With 1 the potential
        is scaled, as the field reports it.
    n_bootstrap : int, default 200
        How many resamples of the record in blocks; 0 for none.
    null : {"ar1", "arma", "fourier", "aaft", "iaaft", "block", "permutation"}, default "ar1"
        Model of a record with one well; the last four keep the values of the series, and with them its wells, and so
        ask another question.
    n_surrogates : int, default 200
        How many series to draw from it; 0 for no p-value.
    alpha : float, default 0.05
        Level of the test.
    causal : bool, default False
        Use present and past samples only, in detrending and in filling gaps.
    until : number or date, optional
        Last time used, for example a known transition.
    missing : {"raise", "interpolate", "drop"}, default "raise"
        What to do with NaN and with uneven spacing.
    duplicates : {"raise", "mean"}, default "raise"
        What to do with several observations at one time.
    season : int, optional
        Period in samples of a seasonal cycle that is taken out first.
    transform : {"log", "log1p", "sqrt", "anscombe"}, callable or None, default None
        Applied to the values before anything is taken out of them (see :func:`ews.detect`).
    seed : int, numpy.random.Generator or None, default 0
        Seed of resamples and surrogates.
    progress : None, True or callable, default None
        A bar, or a function called as ``progress(done, total)`` (see :func:`ews.detect`).

    Returns
    -------
    PotentialWells
        Potential, wells and saddles of the whole record and in each window, at its right edge; the share of resamples
        with each number of wells; the p-value of the highest barrier.

    Raises
    ------
    ews.errors.ArgumentError
        For any input that cannot be used.

    Notes
    -----
    How sure the number is has two sides. The *bootstrap* (Politis & Romano 1994: blocks as long as the memory asks for)
    says how often the record, had it been observed again, would show each number of wells. The *p-value* says how often
    a record of the same length and memory with a single well, red noise, shows a barrier as high as the highest one
    here: a slow system visits its one well so unevenly that several are seen. Each such record is detrended and
    measured as the series was; p = (1 + r) / (1 + n).

    References
    ----------
    Livina, V. N., Kwasniok, F. & Lenton, T. M. (2010). Potential analysis reveals changing number of climate states
    during the last 60 kyr. Climate of the Past 6, 77-82. Scott, D. W. (1992). Multivariate Density Estimation. Wiley:
    the bandwidth. Politis, D. N. & Romano, J. P. (1994). The stationary bootstrap. JASA 89, 1303-1313.

    Examples
    --------
    >>> import numpy as np, ews
    >>> generator = np.random.default_rng(1)
    >>> state = np.where(generator.random(400) < 0.02, -1.0, 1.0).cumprod()
    >>> result = ews.bifurcations.potential(state + 0.3 * generator.standard_normal(400), n_bootstrap=50)
    >>> result.wells.round(1).tolist()
    [-1.0, 1.0]
    """
    asked = dict(locals())  # every choice as it was given
    test = check_test(null=null, n_surrogates=n_surrogates, alpha=alpha, seed=seed)
    _check_numbers(kernel_bandwidth=kernel_bandwidth, barrier=barrier, noise=noise, n_bootstrap=n_bootstrap)
    prepared = prepare(asked, shortest=SHORTEST_WINDOW)
    values, lowest, unit = prepared.drawn, float(barrier), 0.5 * float(noise) ** 2
    width = float(kernel_bandwidth) if kernel_bandwidth is not None else rule_of_thumb(values)
    grid = np.linspace(values.min() - MARGIN * width, values.max() + MARGIN * width, GRID_POINTS)
    density = kernel_density(values, grid, width)
    whole = find_wells(values.reshape(1, -1), kernel_bandwidth, lowest)
    found = whole.places[0][np.isfinite(whole.places[0])]
    count, highest = int(whole.count[0]), float(whole.barrier[0])
    stages = Stages(progress, int(n_bootstrap) + test.n_surrogates)
    share, bootstrap_sentence = _bootstrap(values, kernel_bandwidth, lowest, int(n_bootstrap), test.seed, stages.next())
    pvalue, null_sentence = _one_well(prepared, test, kernel_bandwidth, lowest, highest, stages.next())
    rolling = _rolling(prepared, kernel_bandwidth, lowest)
    with np.errstate(divide="ignore"):
        landscape = -unit * np.log(density)
    return PotentialWells(
        n_wells=count,
        wells=found[::2],
        saddles=found[1::2],
        highest_barrier=unit * highest,
        well_share=share,
        pvalue=pvalue,
        grid=grid,
        density=density,
        potential=landscape,
        kernel_bandwidth=width,
        rolling_wells=rolling[0],
        rolling_barrier=unit * rolling[1],
        rolling_places=rolling[2],
        **prepared.fields,
        null_sentence=null_sentence,
        bootstrap_sentence=bootstrap_sentence,
        config=PotentialConfig(
            **prepared.choices,
            **test.choices,
            window=prepared.window,
            null=null,
            n_bootstrap=int(n_bootstrap),
            kernel_bandwidth=None if kernel_bandwidth is None else float(kernel_bandwidth),
            barrier=lowest,
            noise=float(noise),
        ),
    )


def _check_numbers(*, kernel_bandwidth: Any, barrier: Any, noise: Any, n_bootstrap: Any) -> None:
    for name, given in (("kernel_bandwidth", kernel_bandwidth), ("barrier", barrier), ("noise", noise)):
        if given is not None or name != "kernel_bandwidth":
            checks.number(name, given, above=0.0, allowed="a positive number")
    checks.draws("n_bootstrap", n_bootstrap)


def _bootstrap(
    values: FloatArray, bandwidth: float | None, barrier: float, n_bootstrap: int, seed: int, progress: ProgressOption
) -> tuple[dict[int, float], str]:
    """Share of resamples in blocks with each number of wells."""
    if not n_bootstrap:
        return {}, "no resamples were drawn"
    blocks = nulls.fit(values, null="block")

    def counts(first: int, count: int) -> FloatArray:
        return find_wells(blocks.draw(first, count, seed=seed), bandwidth, barrier).count

    drawn = np.concatenate(in_chunks(counts, n_bootstrap, n=values.size, progress=progress))
    numbers_found, times = np.unique(drawn[np.isfinite(drawn)].astype(np.int64), return_counts=True)
    share = {int(k): float(m) / n_bootstrap for k, m in zip(numbers_found, times, strict=True)}
    return share, blocks.sentence.replace("of the residual ", "")


def _one_well(
    prepared: Prepared,
    test: SurrogateTest,
    bandwidth: float | None,
    barrier: float,
    highest: float,
    progress: ProgressOption,
) -> tuple[float, str]:
    """How often a record with a single well shows a barrier as high."""
    if not test.n_surrogates:
        return math.nan, "no surrogates were drawn"
    fitted, size = nulls.fit(prepared.drawn, null=test.null), prepared.pipeline.drawn

    def barriers(first: int, count: int) -> FloatArray:
        rows = prepared.pipeline.residual(fitted.draw(first, count, seed=test.seed))[:, -size:]
        return find_wells(rows, bandwidth, barrier).barrier

    drawn = np.concatenate(in_chunks(barriers, test.n_surrogates, n=size, progress=progress))
    return float((1 + np.sum(drawn >= highest)) / (1 + test.n_surrogates)), fitted.sentence


def _rolling(prepared: Prepared, bandwidth: float | None, barrier: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Count, highest barrier and places in each window, at its right edge."""
    window, n = prepared.window, len(prepared.series)

    def windows(first: int, count: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        part = prepared.residual[first : first + window - 1 + count]
        found = find_wells(windows_of(part, window), bandwidth, barrier)
        return found.count, found.barrier, found.places

    parts = list(zip(*in_chunks(windows, n - window + 1, n=window), strict=True))
    joined = [np.concatenate(part) for part in parts]
    padded = [np.concatenate([np.full((window - 1, *part.shape[1:]), np.nan), part]) for part in joined]
    return padded[0], padded[1], padded[2]
