"""Indicators of maps against values known by hand and definitions in plain loops; the verdict on fields."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import ews
from ews import spatial
from ews._significance.verdict import TrendOutcome
from ews.errors import (
    ArgumentError,
    InputTypeError,
    IrregularSpacingError,
    MissingValuesError,
    SeriesTooShortError,
    UnknownNameError,
    ValueRangeError,
)
from ews.spatial import linear_field, surrogates
from tests.reference import naive_spatial as naive


def field(n: int = 40, side: int = 16, *, recovery: float = 0.35, falling: bool = False, seed: int = 1) -> np.ndarray:
    left = 1.0 - (np.arange(n) + 1.0) / (n + 1.0)
    rate = np.maximum(recovery * np.sqrt(left), 1e-3) if falling else np.full(n, recovery)
    return linear_field.simulate(rate, 0.1, (side, side), np.random.default_rng(seed))


# Values known by hand.


def test_moran_of_patterns() -> None:
    y, x = np.indices((8, 8))
    chequerboard = (x + y) % 2
    stripes = np.broadcast_to(x % 2, (8, 8))  # along y all pairs agree, along x none does: 56 of each
    halves = np.broadcast_to(x < 4, (8, 8))  # of 112 pairs the 8 across the middle differ
    found = spatial.moran([chequerboard, stripes, halves])
    np.testing.assert_allclose(found, [-1.0, 0.0, (112 - 16) / 112], atol=1e-15)
    np.testing.assert_allclose(spatial.moran([chequerboard, stripes, halves], periodic=True), [-1.0, 0.0, 0.75])


def test_moments_of_a_map() -> None:
    cells = np.array([[0.0, 0.0], [0.0, 4.0]])
    assert spatial.variance([cells])[0] == 4.0  # deviations −1, −1, −1, 3: 12 / 3
    np.testing.assert_allclose(spatial.skewness([cells]), [(24 / 4) / 3**1.5])


def test_spectrum_of_plane_waves() -> None:
    x = np.arange(24)
    wave = np.sqrt(2.0) * np.cos(2 * np.pi * 5 * x / 24)
    spectrum = spatial.radial_spectrum([np.tile(wave, (24, 1))])
    assert spectrum.wavenumber.tolist() == list(range(1, 13))
    assert spectrum.power[0].argmax() == 4
    assert spectrum.power[0].sum() == pytest.approx(spectrum.power[0, 4])
    ratio = spatial.low_frequency_ratio([np.tile(wave, (24, 1))], low=0.5)
    assert ratio[0] == pytest.approx(1.0)
    assert spatial.low_frequency_ratio([np.tile(wave, (24, 1))], low=0.2)[0] == pytest.approx(0.0, abs=1e-12)


def test_white_noise_has_a_flat_spectrum() -> None:
    noise = np.random.default_rng(3).standard_normal((400, 20, 20))
    power = spatial.radial_spectrum(noise).power.mean(axis=0)
    np.testing.assert_allclose(power * 400, 1.0, atol=0.06)
    assert spatial.low_frequency_ratio(noise).mean() == pytest.approx(0.2, abs=0.01)
    assert spatial.low_frequency_ratio(noise, against="high").mean() == pytest.approx(1.0, abs=0.2)


def test_patches_of_a_map() -> None:
    grid = np.array([[1, 1, 0, 1], [0, 0, 0, 1], [1, 0, 0, 0], [1, 0, 1, 1]])
    assert [sizes.tolist() for sizes in spatial.patch_sizes([grid])] == [[2, 2, 2, 2]]
    assert spatial.patch_sizes([grid], periodic=True)[0].tolist() == [8]
    assert spatial.largest_patch([grid, 0 * grid, grid**0]).tolist() == [0.125, 0.0, 1.0]
    assert spatial.patch_sizes([3.0 * grid], above=2.5)[0].tolist() == [2, 2, 2, 2]
    assert spatial.patch_sizes([grid > 0])[0].tolist() == [2, 2, 2, 2]


def test_patches_do_not_join_maps() -> None:
    assert [each.tolist() for each in spatial.patch_sizes(np.ones((3, 4, 4)))] == [[16]] * 3


def test_coarse_grains() -> None:
    grid = np.arange(30.0).reshape(5, 6)
    np.testing.assert_array_equal(spatial.coarse_grain([grid], size=2)[0], [[3.5, 5.5, 7.5], [15.5, 17.5, 19.5]])
    gappy = np.where(np.eye(4) > 0, np.nan, 2.0)
    np.testing.assert_array_equal(spatial.coarse_grain([gappy], size=2, missing="drop"), np.full((1, 2, 2), 2.0))


def test_variance_of_presence_follows_from_cover_and_of_blocks_from_pattern() -> None:
    rng = np.random.default_rng(2)
    clumped = np.kron(rng.random((8, 8)) < 0.5, np.ones((4, 4)))
    shuffled = rng.permutation(clumped.ravel()).reshape(32, 32)
    np.testing.assert_allclose(*spatial.variance([clumped, shuffled]).reshape(2, 1))
    fine = spatial.variance(spatial.coarse_grain([clumped, shuffled], size=4))
    assert fine[0] > 5 * fine[1]


# Definitions in plain loops.


def test_indicators_are_their_definitions() -> None:
    maps = np.random.default_rng(5).gamma(2.0, size=(3, 6, 9))
    gappy = maps.copy()
    gappy[np.random.default_rng(6).random(maps.shape) < 0.2] = np.nan
    for each, missing in ((maps, "raise"), (gappy, "drop")):
        for periodic in (False, True):
            expected = [naive.moran(cells, periodic=periodic) for cells in each]
            np.testing.assert_allclose(spatial.moran(each, periodic=periodic, missing=missing), expected, rtol=1e-12)
        np.testing.assert_allclose(spatial.variance(each, missing=missing), [*map(naive.variance, each)], rtol=1e-12)
        np.testing.assert_allclose(spatial.skewness(each, missing=missing), [*map(naive.skewness, each)], rtol=1e-11)


@pytest.mark.parametrize("shape", [(8, 8), (6, 9), (7, 5)])
def test_radial_spectrum_is_its_definition(shape: tuple[int, int]) -> None:
    maps = np.random.default_rng(7).standard_normal((2, *shape))
    expected = [naive.radial_spectrum(cells) for cells in maps]
    np.testing.assert_allclose(spatial.radial_spectrum(maps).power, expected, rtol=1e-10)


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.7])
def test_patches_are_their_definition(share: float, periodic: bool) -> None:
    maps = np.random.default_rng(8).random((4, 9, 12)) < share
    found = [sizes.tolist() for sizes in spatial.patch_sizes(maps, periodic=periodic)]
    assert found == [naive.patch_sizes(cells, periodic=periodic) for cells in maps]


def test_blocks_of_maps_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from ews.spatial import grids

    maps = field(12)
    whole = [function(maps) for function in (spatial.moran, spatial.variance, spatial.low_frequency_ratio)]
    monkeypatch.setattr(grids, "BLOCK_CELLS", 700)
    for function, expected in zip((spatial.moran, spatial.variance, spatial.low_frequency_ratio), whole, strict=True):
        np.testing.assert_allclose(function(maps), expected, rtol=1e-13)


# What cannot be measured.


def test_constant_maps_are_nan_but_for_their_variance() -> None:
    maps = np.stack([np.full((6, 6), 0.1), np.random.default_rng(1).random((6, 6))])
    assert spatial.variance(maps)[0] == 0.0
    for function in (spatial.moran, spatial.skewness, spatial.low_frequency_ratio):
        found = function(maps)
        assert np.isnan(found[0])
        assert np.isfinite(found[1])


def test_a_map_without_cells_is_nan() -> None:
    maps = np.stack([np.full((4, 4), np.nan), np.random.default_rng(1).random((4, 4))])
    for function in (spatial.moran, spatial.variance, spatial.skewness):
        found = function(maps, missing="drop")
        assert np.isnan(found[0])
        assert np.isfinite(found[1])


@pytest.mark.parametrize(
    ("grids", "error"),
    [
        (np.zeros((5, 5)), InputTypeError),
        ("maps", InputTypeError),
        ([np.zeros((4, 4)), np.zeros((4, 5))], InputTypeError),
        (np.zeros((3, 4, 4), dtype=complex), InputTypeError),
        (np.zeros((3, 1, 4)), SeriesTooShortError),
        (np.zeros((0, 4, 4)), SeriesTooShortError),
        (np.full((2, 4, 4), np.nan), MissingValuesError),
        (np.full((2, 4, 4), np.inf), MissingValuesError),
    ],
)
def test_maps_that_cannot_be_read_are_refused(grids: object, error: type[Exception]) -> None:
    for function in (spatial.moran, spatial.variance, spatial.skewness, spatial.low_frequency_ratio):
        with pytest.raises(error, match="grids"):
            function(grids)


def test_options_out_of_range_are_refused() -> None:
    maps = np.random.default_rng(1).random((12, 8, 8))
    with pytest.raises(UnknownNameError):
        spatial.moran(maps, missing="fill")  # type: ignore[arg-type]
    with pytest.raises(InputTypeError):
        spatial.moran(maps, periodic="yes")  # type: ignore[arg-type]
    with pytest.raises(ValueRangeError):
        spatial.low_frequency_ratio(maps, low=0.7)
    with pytest.raises(UnknownNameError):
        spatial.low_frequency_ratio(maps, against="some")  # type: ignore[arg-type]
    with pytest.raises(ValueRangeError, match="above"):
        spatial.patch_sizes(maps)
    with pytest.raises(ValueRangeError):
        spatial.coarse_grain(maps, size=5)
    with pytest.raises(SeriesTooShortError):
        spatial.radial_spectrum(maps[:, :3, :3])


# The verdict.


@pytest.mark.jit
def test_inputs_of_several_kinds_give_one_answer() -> None:
    maps = field(20, 8)
    days = pd.date_range("2020-01-01", periods=20, freq="5D")
    array = xr.DataArray(maps, dims=("day", "y", "x"), coords={"day": days}, name="cover")
    options = {"n_surrogates": 40, "seed": 3}
    one = ews.detect_spatial(maps, **options)
    two = ews.detect_spatial(list(maps), time=days, **options)
    three = ews.detect_spatial(array, **options)
    assert one.tau == two.tau == three.tau
    assert one.pvalue == two.pvalue == three.pvalue
    assert (three.name, three.grids.time_name, three.grids.step) == ("cover", "day", 5.0)
    assert three.to_frame().index.name == "day"


def test_maps_are_sorted_and_cut() -> None:
    maps = field(30, 8)
    backwards = ews.detect_spatial(maps[::-1], time=np.arange(30)[::-1], until=19, n_surrogates=0)
    np.testing.assert_array_equal(backwards.grids.values, maps[:20])
    assert any("20 of 30 maps" in note for note in backwards.grids.notes)
    plain = ews.detect_spatial(maps[:20], n_surrogates=0)
    assert backwards.tau == plain.tau


@pytest.mark.jit
def test_the_users_maps_are_not_changed() -> None:
    maps = field(20, 8)
    before = maps.copy()
    for space in (None, "plane", "mean_map"):
        ews.detect_spatial(maps, n_surrogates=10, detrend_space=space)
    np.testing.assert_array_equal(maps, before)
    assert maps.flags.writeable


def test_detrending_takes_out_planes_and_means() -> None:
    maps = field(20, 8)
    y, x = np.indices((8, 8))
    tilted = maps + np.linspace(0, 3, 20)[:, None, None] * (x - 2 * y)
    straight = ews.detect_spatial(maps, detrend_space="plane", n_surrogates=0)
    found = ews.detect_spatial(tilted, detrend_space="plane", n_surrogates=0)
    for name in found.indicators:
        np.testing.assert_allclose(found.indicators[name].values, straight.indicators[name].values, rtol=1e-9)
    fixed = ews.detect_spatial(maps + x * y, detrend_space="mean_map", n_surrogates=0)
    mean = ews.detect_spatial(maps, detrend_space="mean_map", n_surrogates=0)
    for name in mean.indicators:
        np.testing.assert_allclose(fixed.indicators[name].values, mean.indicators[name].values, rtol=1e-9)


@pytest.mark.jit
def test_gaps_are_dropped_where_the_definition_allows() -> None:
    maps = field(20, 8)
    maps[4, 2, 2] = np.nan
    with pytest.raises(MissingValuesError):
        ews.detect_spatial(maps)
    with pytest.raises(ValueRangeError, match="low_frequency_ratio"):
        ews.detect_spatial(maps, missing="drop")
    found = ews.detect_spatial(maps, missing="drop", indicators=("moran", "variance"), n_surrogates=30)
    assert any("1 NaN" in note for note in found.grids.notes)
    assert found.power is not None


@pytest.mark.jit
def test_a_field_on_its_way_to_a_transition_warns_and_one_at_rest_does_not() -> None:
    driven = ews.detect_spatial(field(80, 24, falling=True), n_surrogates=499)
    assert driven.verdict == "warning"
    assert driven.tau["variance"] > 0.5
    still = ews.detect_spatial(field(80, 24), n_surrogates=499)
    assert still.verdict == "no warning"
    assert still.power is not None
    assert still.power >= 0.8


@pytest.mark.jit
def test_result_reads_and_writes() -> None:
    found = ews.detect_spatial(field(20, 8), n_surrogates=40, indicators=("moran", "skewness"), coarse_grain=2)
    text = found.summary()
    assert "2 × 2" in text
    assert str(found.config.seed) in text
    assert max(map(len, text.splitlines())) <= 100
    stored = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert stored["statistics"]["moran"]["tau"] == found.tau["moran"]
    assert len(found.plot().axes) == 4 + 1 + 1 + 2  # maps, their scale, what drifts, indicators
    assert repr(found).startswith("<SpatialDetection of 'maps'")


@pytest.mark.jit
def test_the_same_seed_gives_the_same_result() -> None:
    maps = field(20, 8)
    one, two = (ews.detect_spatial(maps, n_surrogates=30, seed=np.random.default_rng(4)) for _ in range(2))
    again = ews.detect_spatial(maps, n_surrogates=30, seed=one.config.seed)
    for other in (two, again):
        assert one.pvalue == other.pvalue
        assert one.power == other.power
        np.testing.assert_array_equal(one.surrogate_tau["moran"], other.surrogate_tau["moran"])


def test_without_surrogates_nothing_is_tested() -> None:
    found = ews.detect_spatial(field(20, 8), n_surrogates=0)
    assert found.verdict == "inconclusive"
    assert np.isnan(found.pvalue["moran"])
    assert "no p-value" in found.summary()


@pytest.mark.jit
def test_an_indicator_that_is_undefined_in_a_map_takes_no_part() -> None:
    maps = field(20, 8)
    maps[3] = 1.0
    found = ews.detect_spatial(maps, n_surrogates=40, method="kendall")
    assert np.isnan(found.tau["moran"])
    assert np.isfinite(found.pvalue["variance"])
    assert found.power is None
    assert any("undefined" in reason for reason in found.reasons)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"indicators": "morans"}, UnknownNameError),
        ({"indicators": ()}, ValueRangeError),
        ({"indicators": ("moran", "moran")}, ValueRangeError),
        ({"indicators": 3}, InputTypeError),
        ({"trend": "pearson"}, UnknownNameError),
        ({"method": "scores"}, UnknownNameError),
        ({"method": None}, UnknownNameError),
        ({"null": "arma"}, UnknownNameError),
        ({"n_surrogates": -1}, ValueRangeError),
        ({"alpha": 1.0}, ValueRangeError),
        ({"detrend_space": "surface"}, UnknownNameError),
        ({"coarse_grain": 5}, ValueRangeError),
        ({"seed": -1}, ValueRangeError),
        ({"time": np.r_[np.arange(19), 40]}, IrregularSpacingError),
        ({"time": np.arange(5)}, ArgumentError),
        ({"until": 4}, SeriesTooShortError),
    ],
)
def test_bad_options_are_refused_by_name(options: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        ews.detect_spatial(field(20, 8), **options)  # type: ignore[arg-type]


def test_constant_maps_are_refused_and_large_numbers_too() -> None:
    with pytest.raises(ValueRangeError):
        ews.detect_spatial(np.ones((20, 8, 8)))
    with pytest.raises(ValueRangeError, match="unit"):
        ews.detect_spatial(1e80 * field(20, 8))


def test_maps_that_do_not_change_are_inconclusive() -> None:
    found = ews.detect_spatial(np.tile(field(1, 8), (20, 1, 1)), n_surrogates=20)
    assert found.verdict == "inconclusive"
    assert np.isnan(list(found.tau.values())).all()
    assert found.summary()


@pytest.mark.parametrize("trend", ["spearman", "theil_sen"])
@pytest.mark.jit
def test_other_trends_agree_in_direction(trend: str) -> None:
    maps = field(40, 12, falling=True)
    kendall = ews.detect_spatial(maps, n_surrogates=99, indicators="variance")
    other = ews.detect_spatial(maps, n_surrogates=99, indicators="variance", trend=trend)  # type: ignore[arg-type]
    assert np.sign(other.tau["variance"]) == np.sign(kendall.tau["variance"])
    assert other.pvalue["variance"] <= 2 * kendall.pvalue["variance"] + 0.05


@pytest.mark.jit
def test_slope_is_per_unit_of_time() -> None:
    maps = field(30, 8)
    one = ews.detect_spatial(maps, n_surrogates=30, trend="theil_sen", seed=2)
    two = ews.detect_spatial(maps, time=0.5 * np.arange(30), n_surrogates=30, trend="theil_sen", seed=2)
    assert two.tau["variance"] == pytest.approx(2 * one.tau["variance"])
    assert one.pvalue == two.pvalue


@pytest.mark.jit
def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = field(20, 12)
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("EWS_NUM_THREADS", threads)
        found.append(ews.detect_spatial(maps, n_surrogates=30))
    assert found[0].power == found[1].power
    assert found[0].pvalue == found[1].pvalue


# Surrogates and the control.


@pytest.mark.parametrize("null", list(surrogates.NULLS))
def test_surrogates_have_the_correlations_of_the_series(null: str) -> None:
    rng = np.random.default_rng(2)
    table = rng.standard_normal((2, 400))
    table[1] += table[0]
    for t in range(1, 400):
        table[:, t] += 0.6 * table[:, t - 1]
    drawn = surrogates.draw(table, null, 200, seed=1)  # type: ignore[arg-type]
    assert drawn.shape == (200, 2, 400)
    between = np.mean([np.corrcoef(each)[0, 1] for each in drawn])
    assert between == pytest.approx(np.corrcoef(table)[0, 1], abs=0.08)
    within = np.mean([surrogates.memory(surrogates.normal_scores(each)) for each in drawn], axis=0)
    expected = 0.0 if null == "permutation" else 0.5 if null == "block" else 0.6
    np.testing.assert_allclose(within, expected, atol=0.12)


def test_memory_is_free_of_the_bias_of_short_records() -> None:
    rng = np.random.default_rng(3)
    found = []
    for _ in range(400):
        x = rng.standard_normal(230)
        for t in range(1, 230):
            x[t] += 0.6 * x[t - 1]
        found.append(surrogates.memory(x[None, -40:] - x[-40:].mean())[0])
    assert np.mean(found) == pytest.approx(0.6, abs=0.03)  # least squares alone: 0.53


def test_the_control_has_the_rates_that_it_was_given() -> None:
    values = linear_field.simulate(np.full(400, 0.3), 0.2, (16, 16), np.random.default_rng(4))
    recovery, diffusion = linear_field.estimate(values)
    assert recovery == pytest.approx(0.3, abs=0.05)
    assert diffusion == pytest.approx(0.2, abs=0.03)
    # Variance of a cell: the mean over modes of 1 / (2 λ_q).
    k = 2 * np.pi * np.fft.fftfreq(16)
    squared = 4 - 2 * np.cos(k)[:, None] - 2 * np.cos(k)[None, :]
    assert values.var() == pytest.approx((0.5 / (0.3 + 0.2 * squared)).mean(), rel=0.03)


@pytest.mark.jit
@pytest.mark.parametrize("null", ["ar1", "fourier"])
def test_fields_at_rest_rarely_warn(null: str) -> None:
    """The rule without its power, on 200 fields with memory: the rate of the table, 0.02 to 0.04, within its error."""
    from ews._analysis.spatial import kendall as inside
    from ews._analysis.spatial.run import DEFAULT_SPATIAL_INDICATORS
    from ews.spatial import registry

    chosen = [registry.get(name) for name in DEFAULT_SPATIAL_INDICATORS]
    warned = 0
    for seed in range(200):
        maps = field(50, 8, seed=seed)
        table = np.stack([one.compute(maps) for one in chosen])
        tau = inside.trend_of(table, "kendall", 1.0)
        drawn = inside.surrogate_trends(table, "kendall", null, 199, seed, 1.0)  # type: ignore[arg-type]
        adjusted = inside.pvalues(tau, drawn)[1]
        tested = [TrendOutcome(one.label, one.alarm, *each) for one, *each in zip(chosen, tau, adjusted, strict=True)]
        warned += any(one.warns(0.05) for one in tested)
    assert warned <= 200 * 0.07 + 2 * np.sqrt(200 * 0.07 * 0.93)


def test_a_list_is_no_way_to_detrend() -> None:
    with pytest.raises(UnknownNameError, match="detrend_space"):
        ews.detect_spatial(np.random.default_rng(1).standard_normal((12, 6, 6)), detrend_space=["plane"])  # type: ignore[arg-type]
