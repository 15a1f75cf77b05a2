"""``ews.detect_many``: a verdict for each of many series."""

from __future__ import annotations

import os
import sys
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ews import nulls
from ews._analysis.detect.run import DETRENDING
from ews._analysis.many import panel
from ews._analysis.many.codes import FIELDS
from ews._analysis.many.plan import Plan, regular
from ews._analysis.many.result import DetectionMap, DetectManyConfig, from_fields
from ews._analysis.many.smoothing import Smoothing
from ews._analysis.score_tests.measurement import ErrorChoice
from ews._common import checks
from ews._common.false_discovery import METHODS, FalseDiscoveryMethod
from ews._common.progress import ProgressOption, reported
from ews._common.transforms import Transform, name_of
from ews._significance.pipeline import in_chunks
from ews._significance.resolve import resolve_seed
from ews.errors import ArgumentError, InputTypeError, SeriesTooShortError, described
from ews.series import Series, carried_times, real_numbers

__all__ = ["detect_many"]

FloatArray = npt.NDArray[np.float64]
Null = Literal["table", "pooled", "ar1", "arma", "fourier", "aaft", "iaaft", "block", "permutation"]

TABULATED = ("table", "pooled")
_NULLS = (*TABULATED, *nulls.NAMES)
SURROGATES = dict.fromkeys(TABULATED, 10_000)  # else 1,000, as ews.detect draws


@reported("testing")
def detect_many(
    data: Any,
    *,
    dim: str | None = None,
    axis: int = -1,
    by: str | list[str] | None = None,
    value: str | None = None,
    time: Any = None,
    where: Any = None,
    null: Null = "ar1",
    n_surrogates: int | None = None,
    alpha: float = 0.05,
    fdr: FalseDiscoveryMethod = "bh",
    detrend: str | None = "default",
    bandwidth: float | None = None,
    causal: bool = False,
    season: int | None = None,
    missing: str = "default",
    transform: Transform = None,
    measurement_error: ErrorChoice | None = "default",
    seed: int | np.random.Generator | None = 0,
    store: str | os.PathLike[str] | None = None,
    resume: bool = False,
    progress: ProgressOption = None,
) -> DetectionMap | Any:
    """Test many series for early-warning signals: the columns of a table, or every pixel of a cube.

    Each series is tested as :func:`ews.detect` tests it, with the same seed; q-values control the false discovery rate
    over all of them. With ``null="table"`` blocks of series run through compiled kernels and are held against tables of
    surrogates that are drawn once: for maps of millions.

    Parameters
    ----------
    data : array_like of shape (…, time), DataFrame, xarray or dask object
        Numbers along `axis`; a DataFrame with a series in each column, or, with `by`, one below the other; a DataArray
        of any dimensions, or a Dataset, whose time is `dim`; or a dask array. Chunks of dask run over space; time is
        put into one of them. Masked values, NaN and infinities are missing.
    dim : str, optional
        The dimension of time of an xarray object (default: the one that is known for time by its name or dates).
    axis : int, default -1
        The axis of time of an array.
    by : str or list of str, optional
        Columns of a long DataFrame that tell its series apart.
    value : str, optional
        Its column of values (default: the only one of numbers that is left).
    time : array_like of shape (time,) or str, optional
        Numbers or dates, or the name of a column or coordinate (default: the index or coordinate, else 0, 1, …).
    where : array_like of bool, optional
        Which series are tested, shaped as the data without time, or a DataArray of these dimensions (default: all).
    null : {"ar1", "arma", "fourier", "aaft", "iaaft", "block", "permutation", "table", "pooled"}, default "ar1"
        Null model of the surrogates, drawn for each series as :func:`ews.detect` does; or "table", or "pooled" (see
        Notes).
    n_surrogates : int, optional
        How many (default: 1,000; 10,000 in each table or pool).
    alpha : float, default 0.05
        Level of the test of each series, over all that it tests together.
    fdr : {"bh", "by"}, default "bh"
        How q-values are made: Benjamini & Hochberg, or Benjamini & Yekutieli (see :func:`ews.false_discovery`).
    detrend, bandwidth, causal, season, missing, transform, measurement_error : optional
        As for :func:`ews.detect`. With these two what is taken out is local linear or quadratic, or None, a
        season is the mean of each phase of each series, what is missing stays missing, values are not transformed, and
        no measurement error is allowed for.
    seed : int, numpy.random.Generator or None, default 0
        Seed of every random number, the same for every series.
    store : str or path, optional
        Folder of zarr to which the maps of an xarray or dask object are written, block by block, now. Until it is
        whole it says so, and which pixels have not been reached.
    resume : bool, default False
        Whether a run that was interrupted is taken up again, from the blocks that `store` already holds. Their data are
        read again, and refused where they are others.
    progress : None, True or callable, default None
        A bar, or a function called as ``progress(done, total)``, over series or blocks (see :func:`ews.detect`). What
        is lazy shows in dask's own (``dask.diagnostics.ProgressBar``, the dashboard).

    Returns
    -------
    DetectionMap or xarray.Dataset
        Of xarray and dask objects a Dataset with their coordinates: verdict, kind, reason, n, p, q, drift and power, z
        and family-wise p of each test; lazy where the data are.

    Raises
    ------
    ews.errors.ArgumentError
        For any input that cannot be used; a single series that cannot be tested is none of these, and has a reason.
    ews.errors.MissingExtraError
        Where xarray, dask or zarr is asked for and not installed: all are in the extra ``earlywarning[grid]``.

    Notes
    -----
    The null of the score tests hardly depends on a series but for its length, its memory and what is missing.
    ``null="table"`` draws surrogates of AR(1) noise once, for 13 memories and for as many missing values as leave
    shares of 1, 0.9, 0.8, 0.65, 0.5, 0.35 or 0.2 of the steps from one time to the next (the nearest serves), and
    interpolates between memories. Fewer than 20 such steps, or 0.15 of them, are too few. Times have to be even but for
    gaps, and only observations that follow each other are scored, where :func:`ews.detect` scores across gaps. It does
    not look for flickering, measurement error or modes of oscillation, and takes values as continuous; power is that of
    controls of the same tables. For series where that matters, take ``null="ar1"``.

    ``null="pooled"`` draws surrogates of AR(1) noise for up to 1,000 of the series that can be tested, evenly spread
    (of dask, over up to 64 of its chunks), each with the memory and the gaps of one of them, and holds every series
    against all of them together. It assumes that the null of the scores is the same all over the map: then each series
    has its level, and gaps that all share, such as winters, are those of the surrogates. Where it is not, because some
    series have far more gaps than others, only the average over the map keeps the level. `power` is one number for the
    map.

    A p-value is at least 1 / (1 + `n_surrogates`): where less than that share of a map moves, over `alpha`, no q-value
    can be small. Draw more then.

    References
    ----------
    Benjamini, Y. & Hochberg, Y. (1995). Controlling the false discovery rate. J. R. Stat. Soc. B 57, 289–300.
    Benjamini, Y. & Yekutieli, D. (2001). The control of the false discovery rate in multiple testing under dependency.
    Annals of Statistics 29, 1165–1188. Wilks, D. S. (2016). "The stippling shows statistically significant grid
    points". Bull. Am. Meteorol. Soc. 97, 2263–2273: why maps need it. Smith, T. & Boers, N. (2023). Reliability of
    vegetation resilience estimates depends on biomass density. Nature Ecology & Evolution 7, 1799–1808.

    Examples
    --------
    >>> import numpy as np
    >>> import ews
    >>> cube = ews.nulls.AR1(0.5, 1.0, 120).draw(0, 6, seed=1).reshape(2, 3, 120)
    >>> ews.detect_many(cube, null="table", n_surrogates=199).verdict.shape
    (2, 3)
    """
    config = _config(
        null, n_surrogates, alpha, fdr, detrend, bandwidth, causal, season, missing, transform, measurement_error, seed
    )
    options = {
        "null": config.null,
        "detrend": config.detrend,
        "bandwidth": bandwidth,
        "causal": config.causal,
        "season": season,
        "missing": missing,
        "transform": transform,
        "measurement_error": measurement_error,
    }

    def plan(times: Any, n: int) -> Plan:
        return _plan(config, options, times, n)

    labelled = hasattr(data, "dims") and hasattr(data, "coords")
    chunked = hasattr(data, "dask") and hasattr(data, "chunks") and not labelled
    if by is None and value is not None:
        raise ArgumentError("value", value, "None without by=")
    if labelled or chunked:
        from ews._analysis.many import grid

        if by is not None:
            raise ArgumentError("by", by, "None but for a long DataFrame")
        if labelled and not (checks.is_whole(axis) and axis == -1):
            raise ArgumentError("axis", axis, "-1 for an xarray object, whose time is a dimension: see dim")
        if not labelled and axis not in (-1, data.ndim - 1):
            import dask.array as da

            data = da.moveaxis(data, axis, -1)
        return grid.detect_grid(
            data, dim=dim, time=time, where=where, plan=plan, config=config, store=store, resume=resume,
            progress=progress,
        )  # fmt: skip
    for argument, given in (("dim", dim), ("store", store)):
        if given is not None:
            raise ArgumentError(argument, given, "None but for xarray and dask objects")
    if resume:
        raise ArgumentError("resume", resume, "False without store=")
    table = panel.read(data, by=by, value=value, time=time)
    if table is not None:
        if where is not None:
            raise ArgumentError("where", where, "None for a table: leave columns or rows out instead")
        fields = panel.tested(table, plan, tabulated=null in TABULATED, progress=progress)
        return from_fields(fields, table.names, config)
    return _array(data, axis, time, where, plan, config, progress)


def _config(
    null: Any, n_surrogates: Any, alpha: Any, fdr: Any, detrend: Any, bandwidth: Any, causal: Any, season: Any,
    missing: Any, transform: Any, measurement_error: Any, seed: Any,
) -> DetectManyConfig:  # fmt: skip
    null = checks.choice("null", null, _NULLS)
    table = null in TABULATED
    count = SURROGATES.get(null, 1000) if n_surrogates is None else n_surrogates
    if table:
        if transform is not None:
            raise ArgumentError("transform", transform, f"None with null={null!r}: transform the data first")
        if measurement_error not in (None, "default"):
            raise ArgumentError("measurement_error", measurement_error, f"None with null={null!r}; or null='ar1'")
        measurement_error = None  # the tables are of red noise
        if missing not in ("default", "keep"):
            raise ArgumentError("missing", missing, f'"keep" with null={null!r}')
    return DetectManyConfig(
        null=null,
        n_surrogates=checks.whole("n_surrogates", count, least=99 if table else 0),
        alpha=checks.alpha(alpha),
        fdr=checks.choice("fdr", fdr, METHODS),
        detrend=DETRENDING["score"] if isinstance(detrend, str) and detrend == "default" else detrend,
        bandwidth=bandwidth,
        causal=checks.flag("causal", causal),
        season=None if season is None else checks.whole("season", season, least=2),
        transform=name_of(transform),
        measurement_error=measurement_error,
        seed=resolve_seed(seed),
    )


def _plan(config: DetectManyConfig, options: dict[str, Any], times: Any, n: int) -> Plan:
    """How series of `n` values at these times are tested."""
    common = {"time": times, "alpha": config.alpha, "n_surrogates": config.n_surrogates, "seed": config.seed}
    if config.null not in TABULATED:
        return Plan(**common, smoothing=None, grid=None, options=options)
    grid = regular(times, n)
    smoothing = Smoothing(grid.n, config.detrend, config.bandwidth, config.causal, config.season)
    if config.detrend is not None:
        smoothing.sd  # noqa: B018  # or refuse
    return Plan(**common, smoothing=smoothing, grid=grid, pooled=config.null == "pooled")


def _array(
    data: Any,
    axis: int,
    time: Any,
    where: Any,
    plan: Any,
    config: DetectManyConfig,
    progress: ProgressOption,
) -> DetectionMap:
    """An array in memory, on all processors with the tabulated null."""
    if isinstance(time, str):
        raise ArgumentError("time", time, "numbers or dates for an array: only columns and coordinates have names")
    if isinstance(data, Series):
        raise InputTypeError("data", described("one series"), "several; for one see ews.detect")
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(data, pandas.Series):
        if time is None:
            time = carried_times(data, None, argument="data")[1](len(data))
        data = real_numbers("data", data)
    values = checks.array("data", np.ma.filled(data.astype(np.float64), np.nan) if np.ma.isMaskedArray(data) else data,
                          "numbers of shape (…, time), a DataFrame, or an xarray or dask object")  # fmt: skip
    if values.dtype.kind not in "fiub":
        raise InputTypeError("data", described(f"values of type {values.dtype}"), "real numbers")
    if values.ndim == 0:
        raise InputTypeError("data", described("a single number"), "series of shape (…, time)")
    if not checks.is_whole(axis, least=-values.ndim, most=values.ndim - 1):
        raise ArgumentError("axis", axis, f"a whole number from {-values.ndim} to {values.ndim - 1}")
    moved = np.moveaxis(values, int(axis), -1)
    if moved.shape[-1] == 0:
        raise SeriesTooShortError("data", described("no times"), "at least one observation")
    tests = plan(time, moved.shape[-1])
    shape = moved.shape[:-1]
    asked = None if where is None else read_where(where, shape).reshape(-1)
    rows = moved.reshape(-1, moved.shape[-1])
    return from_fields(_rows(tests, rows, asked, progress).reshape(*shape, len(FIELDS)), (), config)


def _rows(tests: Plan, rows: Any, asked: Any, progress: ProgressOption) -> FloatArray:
    """Fields of rows; a series at a time where each has its own surrogates, whose drawing uses all processors."""
    if tests.smoothing is None:
        out = np.empty((rows.shape[0], len(FIELDS)))
        for i in range(rows.shape[0]):
            row = np.asarray(rows[i : i + 1], dtype=np.float64)
            row = np.where(np.isfinite(row), row, np.nan)  # ews.detect refuses infinities
            out[i] = tests.block(row, None if asked is None else asked[i : i + 1])[0]
            if callable(progress):
                progress(i + 1, rows.shape[0])
        return out

    def block(first: int, count: int) -> FloatArray:
        these = slice(first, first + count)
        return tests.block(rows[these], None if asked is None else asked[these])

    if tests.pooled and len(rows):
        tests = tests.with_pool([tests.sample(rows, asked)])
    parts = in_chunks(block, rows.shape[0], n=rows.shape[1], progress=progress)
    return np.concatenate(parts) if parts else np.empty((0, len(FIELDS)))


def read_where(where: Any, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Which series are asked for."""
    given = checks.array("where", where, "True and False for each series")
    if given.dtype.kind != "b":
        raise InputTypeError("where", described(f"values of type {given.dtype}"), "True and False for each series")
    if given.shape != shape:
        allowed = f"shape {shape}, that of the data without time"
        raise InputTypeError("where", described(f"an array of shape {given.shape}"), allowed)
    return given
