"""Many series at once: equal to one after another, and maps that no interruption changes."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import textwrap
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr
from typer.testing import CliRunner

import ews
from ews import errors
from ews._analysis.many.smoothing import Smoothing, scored
from ews._analysis.score_tests.shapes import weights
from ews._analysis.score_tests.shares import SHARES, sides_of
from ews.cli.commands import app
from ews.detrend.local_polynomial import smoother_of

FAST = {"null": "table", "n_surrogates": 199}
TIMES = pd.date_range("2000-01-01", periods=90, freq="MS")


def cube(*shape: int, n: int = 90, missing: float = 0.05, phi: float = 0.5, seed: int = 1) -> np.ndarray:
    """AR(1) noise, single precision, some of it missing."""
    rows = ews.nulls.AR1(phi, 1.0, n).draw(0, int(np.prod(shape)), seed=seed).astype(np.float32)
    rows[np.random.default_rng(seed).random(rows.shape) < missing] = np.nan
    return rows.reshape(*shape, n)


def labelled(values: np.ndarray) -> xr.DataArray:
    """A cube as a satellite record comes: time first."""
    height, width, _ = values.shape
    coords = {"lat": np.linspace(50.0, 40.0, height), "lon": np.arange(width) * 0.5, "time": TIMES}
    made = xr.DataArray(values, dims=("lat", "lon", "time"), coords=coords, name="NDVI", attrs={"sensor": "x"})
    made.lat.attrs["units"] = "degrees_north"
    return made.transpose("time", "lat", "lon")


def numbers(found: ews.Detection) -> list[float]:
    drift = found.tests[0].end - found.tests[0].start
    p = ews.Detections({"": found}).pvalue[""]
    return [p, drift, found.power, *(one.score for one in found.tests), *(one.adjusted for one in found.tests)]


@pytest.mark.parametrize("options", [{}, {"causal": True}, {"null": "fourier"}, {"season": 12}, {"detrend": None}])
def test_each_is_what_detect_gives_for_it_alone(options: dict) -> None:
    rows = cube(2, 2, n=60, missing=0.0)
    if not options:
        rows[0, 1, 20:26] = np.nan
    many = ews.detect_many(rows, n_surrogates=99, seed=4, **options)
    for place in np.ndindex(2, 2):
        one = ews.detect(rows[place].astype(float), n_surrogates=99, seed=4, **options)
        own = [many.pvalue, many.drift, many.power, *np.moveaxis(many.z, -1, 0), *np.moveaxis(many.adjusted, -1, 0)]
        np.testing.assert_allclose([float(array[place]) for array in own], numbers(one), rtol=0, atol=1e-12)
        assert many.VERDICTS[many.verdict[place]] == one.verdict
        assert many.KINDS[many.kind[place]] == one.kind
        assert many.n[place] == len(one.series)
    np.testing.assert_array_equal(many.qvalue, ews.false_discovery(many.pvalue))


def test_tables_wide_and_long_give_what_detect_gives() -> None:
    rows = cube(3, n=60, missing=0.0).astype(float)
    wide = pd.DataFrame(rows.T, columns=["a", "b", "c"], index=TIMES[:60])
    found = ews.detect_many(wide, n_surrogates=99)
    assert found.names == ("a", "b", "c")
    assert list(found.qvalue) == list(ews.detect(wide, n_surrogates=99).qvalue.values())
    long = wide.rename_axis("day").reset_index().melt("day", var_name="lake", value_name="chl").assign(note="x")
    long = long[~((long.lake == "c") & (long.day > TIMES[50]))].sample(frac=1.0, random_state=1)  # a ragged end
    by = ews.detect_many(long, by="lake", time="day", n_surrogates=99).to_frame()
    np.testing.assert_allclose(by.loc[["a", "b"], "pvalue"], found.pvalue[:2], rtol=0, atol=1e-12)
    assert by.loc["c", "n"] == 51
    one = ews.detect_many(long, by=["lake", "note"], value="chl", time="day", **FAST).to_frame()
    several = ews.detect_many(wide, **FAST).to_frame()
    np.testing.assert_array_equal(one.loc[["a, x", "b, x"], "pvalue"], several.loc[["a", "b"], "pvalue"])


@pytest.mark.parametrize("degree", [1, 2])
@pytest.mark.parametrize("causal", [False, True])
def test_rows_with_gaps_of_their_own_are_smoothed_as_one_of_them_is(degree: int, causal: bool) -> None:
    rows = cube(4, n=120, missing=0.3).astype(float) + 1e4
    rows[1, :50] = np.nan
    rows[2, 30:95] = np.nan
    rows[2, 60] = 1e4 + 1.0  # alone among gaps
    rows[3] = np.where(np.isnan(rows[3]), 0.0, rows[3])
    smoothing = Smoothing(120, ("local_linear", "local_quadratic")[degree - 1], 0.1, causal, None)
    found = smoothing.residual(rows)
    for row, left in zip(rows, found, strict=True):
        seen = np.isfinite(row)
        own = np.where(seen, row, row[seen][0])[None]
        with np.errstate(invalid="ignore"):  # where nothing is in reach
            trend = smoother_of(seen, 12.0, causal=causal, degree=degree)(own)[0]
        np.testing.assert_allclose(left[seen], (own[0] - trend)[seen], rtol=0, atol=1e-8)
        assert np.isnan(left[~seen]).all()


def test_scores_of_whole_series_are_those_of_score_tests() -> None:
    rows = cube(3, n=150, missing=0.0).astype(float)
    found = ews.detect_many(rows, **FAST)
    for row, z, drift in zip(rows, found.z, found.drift, strict=True):
        tests = ews.score_tests(row, detrend=ews.detect(row, n_surrogates=0).config.detrend, n_surrogates=0).tests
        np.testing.assert_allclose(z, [one.score for one in tests], rtol=1e-9)
        assert drift == pytest.approx(tests[0].end - tests[0].start, rel=1e-9)


def test_drift_is_told_of_what_was_observed_only() -> None:
    """A line through thirty values leaves (−1, 1) far behind where it is taken on over steps without any."""
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((100, 30))
    for t in range(1, 30):
        rows[:, t] += 0.5 * rows[:, t - 1]
    late = np.concatenate([np.full((100, 120), np.nan), rows], axis=1)
    early = np.concatenate([rows, np.full((100, 120), np.nan)], axis=1)
    for one in (rows, late, early):
        found = ews.detect_many(one, null="table", n_surrogates=99).drift
        assert np.nanmax(np.abs(found)) < 2.0


@pytest.mark.parametrize("phi", [0.1, 0.7])
@pytest.mark.parametrize("gaps", ["none", "random", "ragged", "winter"])
def test_tabulated_null_keeps_its_level(phi: float, gaps: str) -> None:
    rows = cube(3000, n=150, missing=0.1 if gaps == "random" else 0.0, phi=phi, seed=9)
    if gaps == "ragged":
        rows[np.arange(150) < np.random.default_rng(1).integers(0, 60, 3000)[:, None]] = np.nan
    if gaps == "winter":
        rows[:, np.arange(150) % 12 < 3] = np.nan
    found = ews.detect_many(rows, null="table", n_surrogates=2000)
    assert (found.verdict == 2).mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 3000)
    assert (found.pvalue <= 0.01).mean() < 0.01 + 3.5 * np.sqrt(0.01 / 3000)
    assert (found.verdict == 2).mean() > 0.01


@pytest.mark.parametrize("gaps", ["none", "random", "winter", "ragged"])
def test_null_is_nearly_that_of_the_surrogates_of_each_series_alone(gaps: str) -> None:
    rows = np.concatenate([cube(6, n=150, missing=0.0, phi=phi, seed=3 + int(10 * phi)) for phi in (0.2, 0.5, 0.8)])
    if gaps == "random":
        rows[np.random.default_rng(3).random(rows.shape) < 0.1] = np.nan
    if gaps == "winter":
        rows[:, np.arange(150) % 12 < 3] = np.nan
    if gaps == "ragged":
        rows[np.arange(150) < np.random.default_rng(1).integers(0, 60, 18)[:, None]] = np.nan
    alone = [ews.detect_many(row[None], null="pooled", n_surrogates=1999).pvalue[0] for row in rows]
    for null in ("table", "pooled"):
        apart = np.abs(ews.detect_many(rows, null=null, n_surrogates=4000).pvalue - alone)
        assert apart.max() < 0.1
        assert apart.mean() < 0.035


@pytest.mark.parametrize("gaps", ["random", "winter"])
def test_pooled_null_keeps_its_level_where_memory_varies_over_the_map(gaps: str) -> None:
    rows = np.concatenate([cube(1000, n=150, missing=0.0, phi=phi, seed=9) for phi in (0.0, 0.4, 0.8)])
    rows = rows[np.random.default_rng(2).permutation(3000)]
    rows[np.random.default_rng(1).random(rows.shape) < 0.1] = np.nan
    if gaps == "winter":
        rows[:, np.arange(150) % 12 < 3] = np.nan
    found = ews.detect_many(rows, null="pooled", n_surrogates=4000)
    assert 0.02 < (found.verdict == 2).mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 3000)
    assert (found.pvalue <= 0.01).mean() < 0.01 + 3.5 * np.sqrt(0.01 / 3000)
    assert np.unique(found.power).size == 1


def test_pooled_null_is_the_surrogates_of_the_series_together() -> None:
    rows = cube(3, n=90).astype(float)
    found = ews.detect_many(rows, null="pooled", n_surrogates=300, seed=5)
    smoothing = Smoothing(90, found.config.detrend, None, False, None)
    shapes = weights(90)
    memory = scored(smoothing, shapes, rows).memory
    drawn = np.concatenate([ews.nulls.AR1(memory[k % 3], 1.0, 90).draw(k, 1, seed=5) for k in range(300)])
    for k, one in enumerate(drawn):
        one[np.isnan(rows[k % 3])] = np.nan
    null = scored(smoothing, shapes, drawn).values
    sides = sides_of(scored(smoothing, shapes, rows).likeness)
    single = (1 + (null[None] >= found.z[:, None]).sum(axis=1)) / 301
    own = (null[None] >= null[:, None]).sum(axis=1) / 301
    for row in range(3):  # closed testing, written out
        share = SHARES[sides[row]]
        least = {}
        for size in range(1, 5):
            for these in map(list, combinations(range(4), size)):
                smallest = (single[row, these] / share[these]).min()
                least[tuple(these)] = (1 + ((own[:, these] / share[these]).min(axis=1) <= smallest + 1e-12).sum()) / 301
        closed = [max([single[row, i], *(p for s, p in least.items() if i in s)]) for i in range(4)]
        np.testing.assert_allclose(found.adjusted[row], closed, rtol=0, atol=1e-12)


def test_slowing_down_is_found_and_said_to_be_that() -> None:
    quiet = cube(300, n=300)
    ramp = np.sqrt(np.linspace(0.05, 0.97, 300))
    rng = np.random.default_rng(3)
    rising = np.zeros((60, 300))
    for t in range(1, 300):
        rising[:, t] = ramp[t] * rising[:, t - 1] + rng.standard_normal(60)
    found = ews.detect_many(np.concatenate([rising, quiet]), null="table", n_surrogates=2000)
    warned = found.warnings()
    assert warned[:60].mean() > 0.5
    assert warned[60:].sum() <= 0.15 * warned.sum()
    assert (found.kind[:60] == found.KINDS.index("slowing down")).mean() > 0.5
    assert np.median(found.drift[:60]) > 0.3
    assert found.warnings(method="by").sum() <= warned.sum()


def test_what_cannot_be_tested_has_a_reason_and_stops_nothing() -> None:
    rows = cube(8, n=100, missing=0.0)
    rows[0] = np.nan
    rows[1] = 3.0
    rows[2, 12:] = np.nan
    rows[3, 30:70] = 1.0
    rows[4] = np.round(np.sign(rows[4]))
    rows[5, 3] = np.inf
    where = np.arange(8) != 6
    for options in (FAST, {"n_surrogates": 99}):
        found = ews.detect_many(rows, where=where, **options)
        reasons = [found.REASONS[code] for code in found.reason]
        assert reasons[0] == "nothing observed"
        assert reasons[1] == reasons[4] == "values allow no answer"
        assert reasons[6] == "not asked for"
        assert reasons[7] == "tested"
        assert found.verdict[7] >= 0
        assert found.verdict[0] == found.verdict[6] == -1
        assert np.isnan(found.qvalue[[0, 6]]).all()
    assert [found.REASONS[code] for code in ews.detect_many(rows, **FAST).reason[[2, 3, 5]]] == [
        "too few observations", "values allow no answer", "tested",
    ]  # fmt: skip
    masked = np.ma.masked_invalid(rows)
    np.testing.assert_array_equal(ews.detect_many(masked, **FAST).pvalue, ews.detect_many(rows, **FAST).pvalue)


def test_season_of_each_series_and_size_of_values_change_nothing() -> None:
    rows = cube(40, n=120).astype(float)
    cycle = np.sin(2.0 * np.pi * np.arange(120) / 12.0) * np.linspace(1.0, 30.0, 40)[:, None]
    found = ews.detect_many(rows + cycle, season=12, **FAST)
    np.testing.assert_allclose(found.z, ews.detect_many(rows, season=12, **FAST).z, atol=1e-6)
    plain = ews.detect_many(rows, **FAST)
    for factor in (1e-200, 1e200, 2.0**40):
        np.testing.assert_allclose(ews.detect_many(rows * factor, **FAST).z, plain.z, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(ews.detect_many(rows.T, axis=0, **FAST).pvalue, plain.pvalue)


def test_times_that_lack_a_step_are_gaps() -> None:
    rows = cube(5, n=90)
    kept = np.delete(np.arange(90), [4, 40, 41, 70])
    holes = rows.copy()
    holes[:, [4, 40, 41, 70]] = np.nan
    found = ews.detect_many(rows[:, kept], time=TIMES[kept], **FAST)
    np.testing.assert_array_equal(found.pvalue, ews.detect_many(holes, time=TIMES, **FAST).pvalue)
    back = ews.detect_many(rows[:, ::-1].copy(), time=TIMES[::-1], **FAST)
    np.testing.assert_array_equal(back.pvalue, ews.detect_many(rows, **FAST).pvalue)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"detrend": "gaussian"}, "local_linear"),
        ({"transform": "log"}, "transform the data"),
        ({"measurement_error": "constant"}, "null='ar1'"),
        ({"time": np.sort(np.random.default_rng(1).random(90))}, "even steps"),
        ({"where": np.ones(3, dtype=bool)}, "shape"),
        ({"null": "tabel"}, "did you mean 'table'"),
        ({"n_surrogates": 5}, "99"),
        ({"by": "lake"}, "DataFrame"),
        ({"dim": "time"}, "xarray"),
        ({"store": "x.zarr"}, "xarray"),
        ({"fdr": "bonferroni"}, "bh"),
        ({"axis": 5}, "axis"),
        ({"season": 60}, "two periods"),
        ({"bandwidth": 0.001}, "neighbour"),
    ],
)  # fmt: skip
def test_refuses_in_words(change: dict, said: str) -> None:
    with pytest.raises(errors.ArgumentError, match=said):
        ews.detect_many(cube(2, 2), **FAST | change)


def test_xarray_keeps_its_coordinates_and_is_lazy_where_the_data_are(tmp_path: Path) -> None:
    given = labelled(cube(4, 6))
    found = ews.detect_many(given, **FAST)
    assert found.p.dims == ("lat", "lon")
    assert found.lat.attrs == {"units": "degrees_north"}
    assert found.attrs["sensor"] == "x"
    plain = ews.detect_many(cube(4, 6), time=TIMES, **FAST)
    np.testing.assert_array_equal(found.p, plain.pvalue)
    np.testing.assert_array_equal(found.q, plain.qvalue)
    for chunks in ({"lat": 2, "lon": 5, "time": 40}, {"lat": 1}):
        lazy = ews.detect_many(given.chunk(chunks), **FAST)
        assert all(isinstance(one.data, da.Array) for one in lazy.data_vars.values())
        xr.testing.assert_identical(lazy.compute(scheduler="threads"), found)
    xr.testing.assert_identical(ews.detect_many(xr.Dataset({"NDVI": given}), **FAST), found)
    both = ews.detect_many(xr.Dataset({"NDVI": given, "LAI": given}), **FAST)
    xr.testing.assert_equal(both.sel(variable="LAI", drop=True), found)
    found.to_netcdf(tmp_path / "map.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "map.nc", engine="h5netcdf") as again:
        xr.testing.assert_equal(again, found)
        assert again.verdict.attrs["flag_meanings"] == "not_tested no_warning inconclusive warning"
    where = xr.DataArray(np.arange(6) > 1, dims="lon")
    part = ews.detect_many(given.chunk({"lat": 2}), where=where, **FAST).compute()
    assert (part.reason.isel(lon=slice(2)) == 1).all()
    np.testing.assert_array_equal(part.p.isel(lon=slice(2, None)), found.p.isel(lon=slice(2, None)))
    with pytest.raises(errors.ArgumentError, match="time"):
        ews.detect_many(given.drop_vars("time").rename(time="k"), **FAST)
    with pytest.raises(errors.InputTypeError, match="detect_many"):
        ews.detect(given)


def test_maps_on_disk_are_taken_up_again_and_no_others(tmp_path: Path) -> None:
    given, store = labelled(cube(4, 6)).chunk({"lat": 2, "lon": 3}), tmp_path / "map.zarr"
    found = ews.detect_many(given, **FAST).compute()
    counted: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        counted.append((done, total))
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ews.detect_many(given, store=store, progress=stop, **FAST)
    done: list[int] = []
    again = ews.detect_many(given, store=store, resume=True, progress=lambda at, _: done.append(at), **FAST)
    xr.testing.assert_equal(again.compute(), found)
    assert counted[0] == (1, 4)
    with pytest.raises(errors.ArgumentError, match="resume=True"):
        ews.detect_many(given, store=store, **FAST)
    for other in ({"seed": 3}, {"alpha": 0.1}, {"where": np.ones((4, 6), dtype=bool)}):
        with pytest.raises(errors.ArgumentError, match="other data"):
            ews.detect_many(given, store=store, resume=True, **FAST | other)
    (tmp_path / "mine").mkdir()
    with pytest.raises(errors.ArgumentError, match="something else"):
        ews.detect_many(given, store=tmp_path / "mine", resume=True, **FAST)


def irregular() -> xr.DataArray:
    return labelled(cube(20, 6)).chunk({"lat": (3, 10, 7), "lon": (1, 5)})


@pytest.mark.parametrize("null", ["table", "pooled"])
def test_blocks_of_any_size_share_no_chunk_on_disk(null: str, tmp_path: Path) -> None:
    given, options = irregular(), {"null": null, "n_surrogates": 199}
    found = ews.detect_many(given, **options).compute()
    with dask.config.set(scheduler="threads", num_workers=8):
        for run in range(5):
            written = ews.detect_many(given, store=tmp_path / f"{run}.zarr", **options)
            xr.testing.assert_equal(written.compute(), found)
    counts = zarr.open_group(tmp_path / "0.zarr")["earlywarning_progress"]["digest"].shape
    for name, sizes in written.chunksizes.items():
        if name != "test":
            assert len(sizes) == counts[found.p.dims.index(name)]


def test_finished_blocks_of_other_data_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, store = labelled(cube(4, 6)).chunk({"lat": 2, "lon": 3}), tmp_path / "map.zarr"
    monkeypatch.setattr(os, "cpu_count", lambda: 1)  # two blocks at a time

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ews.detect_many(given, store=store, progress=stop, **FAST)
    marks = zarr.open_group(store)["earlywarning_progress"]["digest"][...]
    assert np.count_nonzero(marks) == 2
    for place in np.argwhere(marks):
        changed = given.values.copy()
        changed[5, 2 * place[0] + 1, 3 * place[1] + 2] = 9.0
        with pytest.raises(errors.ArgumentError, match="other data"):
            ews.detect_many(given.copy(data=changed).chunk(given.chunksizes), store=store, resume=True, **FAST)
    counted: list[tuple[int, int]] = []
    ews.detect_many(given, store=store, resume=True, progress=lambda *at: counted.append(at), **FAST)
    assert counted == [(i, 4) for i in range(1, 5)]
    whole = labelled(cube(4, 6, seed=2)).chunk({"lat": 2, "lon": 3})
    with pytest.raises(errors.ArgumentError, match="other data"):
        ews.detect_many(whole, store=store, resume=True, **FAST)
    rows = given.copy(data=np.asfortranarray(given.values)).chunk(given.chunksizes)  # the same, otherwise in memory
    ews.detect_many(rows, store=store, resume=True, **FAST)


def test_maps_that_are_not_whole_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, store = labelled(cube(4, 6)).chunk({"lat": 1}), tmp_path / "map.zarr"
    monkeypatch.setattr(os, "cpu_count", lambda: 1)  # two blocks at a time
    found = ews.detect_many(given, **FAST)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ews.detect_many(given, store=store, progress=stop, **FAST)
    part = xr.open_zarr(store).load()  # without a warning
    assert "resume=True" in part.attrs["incomplete"]
    reached = part.reason == 0
    assert int(reached.sum()) == 12
    meanings = part.reason.attrs["flag_meanings"].split()
    assert part.reason.dtype == np.int8
    for name, value in (("reason", meanings.index("not_reached")), ("verdict", -1), ("kind", -1), ("n", 0)):
        assert (part[name].values[~reached] == value).all()
    assert np.isnan(part.p.values[~reached]).all()
    ews.detect_many(given, store=store, resume=True, **FAST)
    whole = xr.open_zarr(store).load()
    xr.testing.assert_equal(whole, found)
    assert whole.attrs == found.attrs


def test_coordinates_of_several_dimensions_are_on_disk_too(tmp_path: Path) -> None:
    given = labelled(cube(4, 6))
    given = given.assign_coords(area=(("lat", "lon"), np.arange(24.0).reshape(4, 6)), site=("lat", list("abcd")), k=3.0)
    for one, name in ((given, "memory"), (given.chunk({"lat": 2}), "lazy")):
        written = ews.detect_many(one, store=tmp_path / f"{name}.zarr", **FAST)
        xr.testing.assert_equal(written.compute(), ews.detect_many(given, **FAST))


def test_what_cannot_be_stored_is_refused_in_words(tmp_path: Path) -> None:
    given, store = labelled(cube(4, 6)), tmp_path / "map.zarr"
    both = xr.Dataset({"NDVI": given, "LAI": given})
    unknown = da.from_array(cube(4))
    for data, change, said in (
        (both, {}, r"^store: .*'NDVI', 'LAI'.*data\[name\]"),
        (given.stack(place=("lat", "lon")), {}, r"MultiIndex.*reset_index\('place'\)"),
        (given, {"store": 5}, "^store: got 5"),
        (given, {"store": b"maps"}, "^store: got b'maps'"),
        (unknown[unknown[:, 0] > -9.0], {}, "compute_chunk_sizes"),
        (unknown[unknown[:, 0] > -9.0], {"store": None}, "compute_chunk_sizes"),
    ):
        with pytest.raises(errors.ArgumentError, match=said):
            ews.detect_many(data, **{"store": store, **FAST, **change})
        assert not store.exists()
    placed = given.stack(place=("lat", "lon"))
    written = ews.detect_many(placed.reset_index("place"), store=store, **FAST)
    np.testing.assert_array_equal(written.p, ews.detect_many(placed, **FAST).p)


def test_a_pool_is_drawn_over_all_chunks_and_the_same_on_disk(tmp_path: Path) -> None:
    values = cube(4, 6)
    values[0] = np.nan  # a chunk with nothing to test
    given = labelled(values).chunk({"lat": 1, "lon": 3})
    options = {"null": "pooled", "n_surrogates": 199}
    lazy = ews.detect_many(given, **options)
    assert isinstance(lazy.p.data, da.Array)
    found = lazy.compute()
    assert (found.reason.isel(lat=0) == 2).all()
    np.testing.assert_array_equal(found.p, ews.detect_many(values, time=TIMES, **options).pvalue)  # few: all are drawn
    xr.testing.assert_equal(ews.detect_many(given, store=tmp_path / "map.zarr", **options).compute(), found)
    where = xr.DataArray(np.arange(6) > 1, dims="lon")
    part = ews.detect_many(given, where=where, **options).compute()
    asked = np.broadcast_to(where, (4, 6))
    np.testing.assert_array_equal(part.p, ews.detect_many(values, time=TIMES, where=asked, **options).pvalue)
    panel = pd.DataFrame(values[1].T, index=TIMES)
    np.testing.assert_array_equal(
        ews.detect_many(panel, **options).pvalue, ews.detect_many(values[1], time=TIMES, **options).pvalue
    )
    with pytest.raises(errors.ArgumentError, match="null='table'"):
        ews.detect_many(given.isel(lat=[0]), **options).compute()


RUN = """
    import os, signal, sys
    import dask.array as da, numpy as np, xarray as xr
    from distributed import Client, LocalCluster
    import ews

    def noise(block_info=None):
        (rows, columns, times) = block_info[None]["array-location"]
        shape = [stop - start for start, stop in (rows, columns, times)]
        return np.random.default_rng(rows[0] * 100 + columns[0]).standard_normal(shape).astype("f4")

    def run(store, struck=None):
        data = da.map_blocks(noise, chunks=((10,) * 6, (10,) * 4, (60,)), dtype="f4", meta=np.empty((0, 0, 0), "f4"))
        cube = xr.DataArray(data, dims=("y", "x", "time"))
        ews.detect_many(cube, null="table", n_surrogates=99, store=store, resume=True, progress=struck)

    if __name__ == "__main__":
        store, how = sys.argv[1:]
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as made, Client(made) as at:
            workers = list(at.run(os.getpid).values())

            def struck(done, total):
                if done == 5:
                    for one in workers[:1] if how == "worker" else (*workers, os.getpid()):
                        os.kill(one, signal.SIGKILL)

            run(store, struck)
"""


def test_killing_a_worker_or_everything_ends_in_the_same_map(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(textwrap.dedent(RUN))
    here = os.environ | {"PYTHONPATH": str(Path(ews.__file__).parents[1])}  # the one under test
    run = runpy.run_path(str(script))["run"]  # in this process, on threads
    # Both clusters at once: most of the time goes into starting them.
    struck, cut = (
        subprocess.Popen(
            [sys.executable, script, tmp_path / store, how], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=here
        )
        for store, how in (("struck", "worker"), ("cut", "everything"))
    )

    def written(store: str) -> xr.Dataset:
        return xr.open_zarr(tmp_path / store, consolidated=False).load()

    run(tmp_path / "whole")
    whole = written("whole")
    for process, code in ((struck, 0), (cut, -9)):
        said = process.communicate()[1].decode()
        assert process.returncode == code, said
    assert not written("cut").equals(whole)
    run(tmp_path / "cut")
    xr.testing.assert_identical(written("struck"), whole)
    xr.testing.assert_identical(written("cut"), whole)
    assert np.isfinite(whole.q).all()


@pytest.mark.parametrize("module", ["xarray", "zarr", "dask.array"])
def test_without_the_extra_the_error_names_it(module: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = labelled(cube(2, 2))
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"earlywarning\[grid\]"):
        ews.detect_many(given, store=tmp_path / "map.zarr", **FAST)


@pytest.mark.parametrize(
    ("modules", "file", "options"),
    [
        (["xarray"], "ndvi.nc", []),
        (["dask.array"], "ndvi.nc", []),
        (["zarr"], "ndvi.nc", []),
        (["zarr"], "ndvi.zarr", []),
        (["h5netcdf", "netCDF4"], "ndvi.nc", []),
        (["distributed"], "ndvi.nc", ["--scheduler", "tcp://127.0.0.1:1"]),
    ],
)
def test_the_command_names_the_extra_too(
    modules: list[str], file: str, options: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = labelled(cube(2, 2)).to_dataset()
    given.to_netcdf(tmp_path / "ndvi.nc", engine="h5netcdf")
    given.to_zarr(tmp_path / "ndvi.zarr", consolidated=False)
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    done = CliRunner().invoke(app, ["map", str(tmp_path / file), "--out", str(tmp_path / "out.zarr"), *options])
    assert done.exit_code == 2
    assert "pip install 'earlywarning[grid]'" in " ".join(done.output.split())
    assert not (tmp_path / "out.zarr").exists()


def test_nothing_of_the_grid_is_loaded_unless_asked_for() -> None:
    code = (
        "import sys, numpy as np, pandas as pd, ews; x = np.random.default_rng(1).random((2, 60)); "
        "[ews.detect_many(one, null=null, n_surrogates=99) for one in (x, pd.DataFrame(x.T)) "
        "for null in ('table', 'pooled')]; ews.map_figure; "
        "print(sorted({'dask', 'distributed', 'xarray', 'zarr'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_result_reads_shows_and_counts() -> None:
    found = ews.detect_many(cube(6, 10), **FAST)
    assert len(found.to_frame()) == 60
    assert "of 60 series" in found.summary()
    assert len(found.plot().axes) == 6
    many = ews.detect_many(pd.DataFrame(cube(60).T, columns=[f"lake {i}" for i in range(60)]), **FAST)
    assert [len(page.axes[0].get_yticklabels()) for page in many.pages()] == [50, 10]
    assert many.plot().axes[0].get_ylim() == many.pages()[0].axes[0].get_ylim()
    long = [f"upper reservoir of the great river, gauge {i}" for i in range(3)]
    gone = cube(3).astype(float)
    gone[1] = np.nan
    axes = ews.detect_many(pd.DataFrame(gone.T, columns=long), **FAST).plot().axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert len({*names}) == 3
    assert max(map(len, names)) <= 28
    assert [text.get_text() for text in axes.texts if text.get_position()[1] == 1] == ["nothing observed"]


def test_map_of_a_dataset_has_its_coordinates(tmp_path: Path) -> None:
    rows = cube(6, 8)
    found = ews.detect_many(labelled(rows), **FAST)
    found["q"][2:4, 3:6] = 0.01
    figure = ews.map_figure(found)
    left, right = figure.axes[0].get_xlim()
    bottom, top = figure.axes[0].get_ylim()
    assert (left, right, bottom, top) == pytest.approx((-0.25, 3.75, 39.0, 51.0))
    assert figure.axes[0].get_ylabel() == "lat"
    lines = np.array([path.vertices for path in figure.axes[1].collections[0].get_paths()])  # edges of pixels found
    assert len(lines) == 2 * (2 + 3)
    assert lines.min(axis=(0, 1)) == pytest.approx((1.25, 43.0))
    assert lines.max(axis=(0, 1)) == pytest.approx((2.75, 47.0))
    assert np.abs(np.diff(lines, axis=1)).sum() == pytest.approx(2 * (1.5 + 4.0))
    figure.savefig(tmp_path / "map.png")
    with pytest.raises(errors.ArgumentError, match="two dimensions"):
        ews.map_figure(found.isel(lat=0))
    with pytest.raises(errors.ArgumentError, match="detect_many"):
        ews.map_figure(labelled(rows))


def test_command_line_maps_a_cube(tmp_path: Path) -> None:
    given, out = labelled(cube(4, 6)), tmp_path / "maps.zarr"
    given.to_dataset().to_netcdf(tmp_path / "ndvi.nc", engine="h5netcdf")
    given.to_dataset().to_zarr(tmp_path / "ndvi.zarr", consolidated=False)
    common = ["--n-surrogates", "199", "--seed", "3"]
    run = CliRunner()
    done = run.invoke(
        app, ["map", str(tmp_path / "ndvi.nc"), "--out", str(out), "--figure", str(tmp_path / "m.png"), *common]
    )
    assert done.exit_code == 0, done.output
    assert "at a false discovery rate of 0.05 over the map" in done.output
    assert (tmp_path / "m.png").stat().st_size > 10_000
    written = xr.open_zarr(out, consolidated=False).load()
    xr.testing.assert_equal(written, ews.detect_many(given, seed=3, **FAST))
    again = run.invoke(app, ["map", str(tmp_path / "ndvi.nc"), "--out", str(out), "--resume", *common])
    assert again.exit_code == 0, again.output
    for wrong, said in (
        (["--out", str(out)], "error: --out: got"),
        (["--out", str(tmp_path / "x.nc")], ".zarr"),
        (["--out", str(tmp_path / "y.zarr"), "--var", "NDV"], "did you mean 'NDVI'"),
        (["--out", str(tmp_path / "y.zarr"), "--detrend", "gaussian"], "local_linear"),
        (["--out", str(tmp_path / "y.zarr"), "--scheduler", "tcp"], "tcp://host:8786"),
        (["--out", str(tmp_path / "y.zarr"), "--scheduler", "foo://x:1"], "tcp://host:8786"),
    ):
        refused = run.invoke(app, ["map", str(tmp_path / "ndvi.zarr"), *wrong, *common])
        assert refused.exit_code == 2
        assert said in " ".join(refused.output.split())
    lost = run.invoke(app, ["map", str(tmp_path / "gone.nc"), "--out", str(tmp_path / "y.zarr")])
    assert lost.exit_code == 2
    (tmp_path / "notes.txt").write_text("no cube")
    strange = run.invoke(app, ["map", str(tmp_path / "notes.txt"), "--out", str(tmp_path / "y.zarr")])
    assert strange.exit_code == 2
    assert "notes.txt, which is neither; allowed: a folder of zarr, or a netCDF file" in " ".join(
        strange.output.split()
    )


def test_an_address_that_is_none_is_refused_at_once_and_quietly(tmp_path: Path) -> None:
    labelled(cube(2, 2)).to_dataset().to_netcdf(tmp_path / "ndvi.nc", engine="h5netcdf")
    code = "import sys; from ews.cli.commands import app; app()"
    command = [sys.executable, "-c", code, "map", str(tmp_path / "ndvi.nc"), "--out", str(tmp_path / "y.zarr")]
    here = os.environ | {"PYTHONPATH": str(Path(ews.__file__).parents[1])}
    done = subprocess.run([*command, "--scheduler", "nonsense"], capture_output=True, text=True, timeout=100, env=here)
    assert done.returncode == 2
    assert "where no scheduler answers" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


INDICATORS = [
    (ews.variance, {}), (ews.autocorrelation, {}), (ews.skewness, {}), (ews.permutation_entropy, {}), (ews.smax, {}),
    (ews.dfa_exponent, {}), (ews.companion_eigenvalue, {}), (ews.conditional_heteroskedasticity, {}),
]  # fmt: skip


@pytest.mark.parametrize(("indicator", "options"), INDICATORS, ids=lambda one: getattr(one, "__name__", ""))
def test_indicators_slide_along_the_dimension_that_is_time(indicator: Callable[..., Any], options: dict) -> None:
    values = cube(2, 3, missing=0.0).astype(float)
    given, plain = labelled(values), indicator(values, window=40, **options)
    found = indicator(given, window=40, dim="time", **options)
    assert found.dims == ("time", "lat", "lon")
    xr.testing.assert_identical(found.coords.to_dataset(), given.coords.to_dataset())
    np.testing.assert_array_equal(found.transpose("lat", "lon", "time"), plain)
    np.testing.assert_array_equal(indicator(given, window=40, **options), found)
    lazy = indicator(given.chunk({"lat": 1, "time": 30}), window=40, **options)
    assert isinstance(lazy.data, da.Array)
    xr.testing.assert_identical(lazy.compute(), found)
    unclear = given.drop_vars("time").rename(time="k")
    np.testing.assert_array_equal(indicator(unclear, window=40, dim="k", **options), found)
    with pytest.raises(errors.InputTypeError, match="along"):
        indicator(unclear, window=40, **options)
    with pytest.raises(errors.UnknownNameError, match="did you mean 'time'"):
        indicator(given, window=40, dim="tim", **options)
    with pytest.raises(errors.ArgumentError, match="xarray"):
        indicator(values, window=40, dim="time", **options)


def test_coefficient_of_variation_and_rolling_take_cubes_too() -> None:
    values = cube(2, 3, missing=0.0).astype(float)
    given, level = labelled(values), labelled(values + 9.0)
    plain = ews.cv(values, window=40, raw=values + 9.0)
    found = ews.cv(given, window=40, raw=level)
    np.testing.assert_array_equal(found.transpose("lat", "lon", "time"), plain)
    lazy = ews.cv(given.chunk({"lat": 1}), window=40, raw=level.chunk({"lat": 1}))
    xr.testing.assert_allclose(lazy.compute(), found)
    both = ews.rolling(given, window=40, indicators=("variance", "ac1"))
    xr.testing.assert_allclose(both["ac1"], ews.autocorrelation(given, window=40))


def test_the_only_variable_with_a_time_is_meant(tmp_path: Path) -> None:
    given = labelled(cube(2, 2)).to_dataset()
    given["mask"] = (given["NDVI"].isel(time=0) > 0).astype(float)
    given["water"] = given["mask"] * 2.0
    given.to_zarr(tmp_path / "ndvi.zarr", consolidated=False)
    common = ["--out", str(tmp_path / "out.zarr"), "--detrend", "gaussian"]  # refused, once the variable is known
    done = CliRunner().invoke(app, ["map", str(tmp_path / "ndvi.zarr"), *common])
    assert done.exit_code == 2
    assert "local_linear" in done.output
    given.drop_vars("NDVI").to_zarr(tmp_path / "masks.zarr", consolidated=False)
    done = CliRunner().invoke(app, ["map", str(tmp_path / "masks.zarr"), *common])
    assert done.exit_code == 2
    assert "--var: got nothing" in done.output
    assert "'mask'" in done.output
