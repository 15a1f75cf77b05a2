"""Null models: what they fit, what their surrogates keep, and that a surrogate depends on its number alone."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.signal import lfilter

from ews import errors, nulls
from ews.nulls.autoregressive import draw_autoregression

EACH = pytest.mark.parametrize("null", nulls.NAMES)


def red_noise(coefficient: float, n: int, seed: int = 0, sd: float = 1.0) -> np.ndarray:
    return nulls.AR1(coefficient, sd, n).draw(0, 1, seed=seed)[0]


@pytest.mark.parametrize("coefficient", [-0.5, 0.0, 0.4, 0.9])
def test_red_noise_recovers_its_parameters(coefficient: float) -> None:
    fitted = nulls.AR1.fit(red_noise(coefficient, 20_000, sd=3.0))
    assert fitted.coefficient == pytest.approx(coefficient, abs=0.03)
    assert fitted.innovation_sd == pytest.approx(3.0, rel=0.03)


def test_red_noise_is_the_least_squares_fit() -> None:
    x = red_noise(0.6, 50) + 7.0
    centred = x - x.mean()
    slope = np.linalg.lstsq(centred[:-1, None], centred[1:], rcond=None)[0][0]
    fitted = nulls.AR1.fit(x)
    assert fitted.coefficient == pytest.approx(slope, rel=1e-12)
    assert fitted.innovation_sd == pytest.approx(np.sqrt(np.sum((centred[1:] - slope * centred[:-1]) ** 2) / 48))


def test_red_noise_starts_in_its_stationary_distribution() -> None:
    rows = nulls.AR1(0.8, 1.0, 40).draw(0, 6000, seed=4)
    deviation = 1 / np.sqrt(1 - 0.8**2)
    for at in (0, 1, 39):
        assert rows[:, at].std() == pytest.approx(deviation, rel=0.04)
        assert abs(rows[:, at].mean()) < 4 * deviation / np.sqrt(6000)
    assert np.corrcoef(rows[:, 20], rows[:, 21])[0, 1] == pytest.approx(0.8, abs=0.03)


def test_a_walk_is_fitted_inside_the_unit_circle() -> None:
    assert nulls.AR1.fit(np.linspace(0, 1, 50)).coefficient < 1
    assert nulls.AR1.fit(np.tile([0.0, 1.0], 20)).coefficient >= -0.999


def test_coefficients_may_drift() -> None:
    coefficient = np.r_[np.zeros(100), np.full(100, 0.95)]
    rows = draw_autoregression(coefficient, np.r_[np.ones(100), np.full(100, 0.1)], 0, 3000, seed=1)
    assert np.corrcoef(rows[:, 50], rows[:, 51])[0, 1] == pytest.approx(0.0, abs=0.06)
    assert np.corrcoef(rows[:, 198], rows[:, 199])[0, 1] == pytest.approx(0.95, abs=0.03)
    assert rows[:, 50].std() == pytest.approx(1.0, rel=0.05)


def test_arma_recovers_an_oscillating_process() -> None:
    x = lfilter([1.0], [1.0, -1.2, 0.8], np.random.default_rng(3).standard_normal(1100))[100:]
    fitted = nulls.ARMA.fit(x)
    assert len(fitted.ar) == 2
    assert fitted.ar == pytest.approx((1.2, -0.8), abs=0.08)
    assert fitted.innovation_sd == pytest.approx(1.0, rel=0.08)
    rows = fitted.draw(0, 200, seed=1)
    assert np.corrcoef(rows[:, 2:].ravel(), rows[:, :-2].ravel())[0, 1] == pytest.approx(
        np.corrcoef(x[2:], x[:-2])[0, 1], abs=0.08
    )
    assert rows.std() == pytest.approx(x.std(), rel=0.1)


@pytest.mark.parametrize("n", [63, 64])
def test_fourier_keeps_the_periodogram(n: int) -> None:
    x = red_noise(0.7, n)
    rows = nulls.surrogates(x, null="fourier", n_surrogates=20, seed=2)
    expected = np.abs(np.fft.rfft(x - x.mean()))
    np.testing.assert_allclose(np.abs(np.fft.rfft(rows, axis=1)), np.tile(expected, (20, 1)), atol=1e-12 * n)
    np.testing.assert_allclose(rows.std(axis=1), x.std(), rtol=1e-12)
    assert np.abs(np.corrcoef(rows[0], x)[0, 1]) < 0.9


@pytest.mark.parametrize("null", ["aaft", "iaaft", "permutation"])
def test_rearrangements_keep_every_value(null: nulls.NullName) -> None:
    x = np.exp(red_noise(0.7, 101))
    rows = nulls.surrogates(x, null=null, n_surrogates=10, seed=2)
    np.testing.assert_array_equal(np.sort(rows, axis=1), np.tile(np.sort(x), (10, 1)))
    assert len({row.tobytes() for row in rows}) == 10


def test_blocks_hold_runs_of_the_residual() -> None:
    x = red_noise(0.9, 400)
    fitted = nulls.StationaryBootstrap.fit(x)
    row = fitted.draw(0, 1, seed=5)[0]
    assert set(row) <= set(x)
    place = {value: k for k, value in enumerate(x)}
    follows = [(place[b] - place[a]) % 400 == 1 for a, b in pairwise(row)]
    assert np.mean(follows) == pytest.approx(1 - 1 / fitted.mean_length, abs=0.05)
    assert nulls.StationaryBootstrap.fit(red_noise(0.0, 400)).mean_length < 5 < fitted.mean_length


def test_memory_is_kept_by_all_nulls_but_permutation() -> None:
    x = red_noise(0.8, 300)

    def memory(rows: np.ndarray) -> float:
        return float(np.median([np.corrcoef(row[1:], row[:-1])[0, 1] for row in rows]))

    own = memory(x[None])
    for null in nulls.NAMES:
        found = memory(nulls.surrogates(x, null=null, n_surrogates=40, seed=1))
        if null == "permutation":
            assert abs(found) < 0.1
        else:
            assert found == pytest.approx(own, abs=0.12), null


def test_iterated_surrogates_come_nearer_to_the_spectrum() -> None:
    x = red_noise(0.8, 256) ** 3
    amplitudes = np.abs(np.fft.rfft(x - x.mean()))

    def misfit(null: nulls.NullName) -> float:
        rows = nulls.surrogates(x, null=null, n_surrogates=30, seed=3)
        found = np.abs(np.fft.rfft(rows - x.mean(), axis=1))
        return float(np.mean((found - amplitudes) ** 2) / np.mean(amplitudes**2))

    assert misfit("iaaft") < 0.2 * misfit("aaft") < 0.2 * misfit("permutation")


@EACH
def test_a_surrogate_depends_on_its_number_alone(null: nulls.NullName) -> None:
    """Whatever is drawn beside it, bit for bit: chunks and threads cannot matter. 517 samples end no vector evenly."""
    fitted = nulls.fit(red_noise(0.5, 517), null=null)
    rows = fitted.draw(0, 23, seed=9)
    np.testing.assert_array_equal(np.concatenate([fitted.draw(k, 1, seed=9) for k in range(23)]), rows)
    np.testing.assert_array_equal(np.concatenate([fitted.draw(0, 10, seed=9), fitted.draw(10, 13, seed=9)]), rows)
    assert not np.array_equal(fitted.draw(0, 1, seed=10), rows[:1])
    assert fitted.draw(0, 0, seed=9).shape == (0, 517)


@EACH
def test_surrogates_have_the_residuals_length_and_size(null: nulls.NullName) -> None:
    x = red_noise(0.4, 90, sd=5.0)
    rows = nulls.surrogates(x, null=null, n_surrogates=60, seed=1)
    assert rows.shape == (60, 90)
    assert rows.std() == pytest.approx(x.std(), rel=0.15)


@EACH
@pytest.mark.parametrize("factor", [2.0**-600, 2.0**40])
def test_scale_is_only_a_unit(null: nulls.NullName, factor: float) -> None:
    x = red_noise(0.4, 40)
    rows = nulls.surrogates(x * factor, null=null, n_surrogates=3, seed=1) / factor
    np.testing.assert_allclose(rows, nulls.surrogates(x, null=null, n_surrogates=3, seed=1), rtol=1e-6, atol=1e-9)


@EACH
def test_degenerate_residuals_are_drawn_or_refused(null: nulls.NullName) -> None:
    spike = np.eye(1, 30).ravel()
    for x in (spike, np.tile([0.0, 1.0], 15), np.linspace(-1, 1, 30), np.arange(8.0) ** 2):
        assert np.isfinite(nulls.surrogates(x, null=null, n_surrogates=3)).all()
    with pytest.raises(errors.ValueRangeError, match=r"^residual: got 30 equal values"):
        nulls.fit(np.full(30, 2.0), null=null)


@EACH
def test_the_sentence_says_what_it_is(null: nulls.NullName) -> None:
    words = {"ar1": "AR(1)", "arma": "ARMA(", "fourier": "periodogram", "block": "bootstrap", "permutation": "permut"}
    assert words.get(null, "amplitude-adjusted") in nulls.fit(red_noise(0.5, 50), null=null).sentence


@pytest.mark.parametrize(
    ("residual", "text"),
    [
        ([1.0] * 7, "7 values"),
        ([1.0, np.nan] * 5, "5 values that are not finite"),
        ([1.0, np.inf] * 5, "5 values that are not finite"),
        (np.ones((10, 2)), "shape"),
        (["1"] * 10, "strings"),
        ([1j] * 10, "complex"),
        ("abc", "single str"),
        (None, "NoneType"),
    ],
    ids=str,
)
def test_bad_residuals_are_refused(residual: Any, text: str) -> None:
    with pytest.raises(errors.ArgumentError, match=rf"^residual: got .*{text}"):
        nulls.fit(residual)


@pytest.mark.parametrize("given", ["ar2", "", None, True, ["ar1"], np.array(["ar1"])], ids=str)
def test_unknown_nulls_are_refused(given: Any) -> None:
    with pytest.raises(errors.UnknownNameError, match=r"^null: got .* one of 'ar1'"):
        nulls.fit(np.arange(10.0), null=given)


@pytest.mark.parametrize("given", [-1, 2.5, True, "3", None, np.nan], ids=str)
def test_numbers_of_surrogates_that_are_none_are_refused(given: Any) -> None:
    with pytest.raises(errors.ValueRangeError, match=r"^n_surrogates: got .* an integer of 0 or more"):
        nulls.surrogates(np.arange(10.0), n_surrogates=given)


@pytest.mark.parametrize("given", [-1, 1.5, True, "1", [1], np.random.RandomState(1)], ids=str)
def test_seeds_that_are_none_are_refused(given: Any) -> None:
    with pytest.raises(
        errors.ValueRangeError, match=r"^seed: got .* an integer of 0 or more, a numpy\.random\.Generator"
    ):
        nulls.surrogates(np.arange(10.0), n_surrogates=2, seed=given)


def test_generators_and_fresh_seeds_are_seeds() -> None:
    x = np.arange(10.0)

    def drawn(seed: Any) -> np.ndarray:
        return nulls.surrogates(x, n_surrogates=2, seed=seed)

    np.testing.assert_array_equal(drawn(np.random.default_rng(5)), drawn(np.random.default_rng(5)))
    assert not np.array_equal(drawn(None), drawn(None))
    assert drawn(2**80).shape == (2, 10)
