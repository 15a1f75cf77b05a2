"""The likelihood ratio: what it returns, refuses and repeats, and that it sees an approach and no other."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from ews import bifurcations, errors
from ews.bifurcations import LikelihoodRatio, likelihood

FloatArray = np.ndarray[tuple[int], np.dtype[np.float64]]


def red_noise(n: int, rate: float, seed: int, *, level: float = 100.0, sd: float = 2.0) -> FloatArray:
    """An Ornstein–Uhlenbeck process sampled at unit steps."""
    return approaching(n, rate, rate, seed, level=level, sd=sd)


def approaching(n: int, start: float, end: float, seed: int, *, level: float = 100.0, sd: float = 2.0) -> FloatArray:
    """Red noise whose squared rate is linear in time, as on the way to a saddle-node; its noise stays what it is."""
    generator = np.random.default_rng(seed)
    rates = np.sqrt(np.linspace(start**2, end**2, 20 * n))
    noise = sd * math.sqrt(2.0 * start) * math.sqrt(1 / 20) * generator.standard_normal(20 * n)
    x = np.empty(20 * n)
    x[0] = sd * generator.standard_normal()
    for i in range(1, x.size):  # twenty Euler steps a sample
        x[i] = x[i - 1] * (1.0 - rates[i] / 20) + noise[i]
    return level + x[::20]


@pytest.fixture(scope="module")
def tested() -> LikelihoodRatio:
    return likelihood(approaching(60, 1.5, 0.05, 3), n_bootstrap=40, seed=7)


def test_ratios_are_ordered_and_none_is_negative() -> None:
    for seed in range(3):
        result = likelihood(red_noise(25, 0.5, seed), n_bootstrap=0)
        assert result.ratio_free >= result.ratio_towards >= 0.0
        assert result.towards.slope <= 0.0
        assert result.free.log_likelihood >= result.towards.log_likelihood >= result.null.log_likelihood - 1e-9
        assert math.isnan(result.pvalue)
        assert result.null_ratios.size == 0


@pytest.mark.parametrize("alternative", ["saddle-node", "transcritical"])
def test_fitted_parameters_reach_the_stated_likelihood(alternative: Any) -> None:
    """Through the public functions, at uneven times."""
    generator = np.random.default_rng(2)
    time = 5.0 + np.cumsum(generator.uniform(0.3, 2.0, 30))
    values = red_noise(30, 0.8, 4)
    result = likelihood(values, time=time, alternative=alternative, missing="drop", n_bootstrap=0)
    null = result.null
    found = bifurcations.ornstein_uhlenbeck_log_likelihood(
        values, time=time, rate=null.rate, level=null.level, sigma=null.sigma
    )
    assert found == pytest.approx(null.log_likelihood, abs=1e-9)
    function = getattr(bifurcations, f"{alternative.replace('-', '_')}_log_likelihood")
    for fit in (result.towards, result.free):
        at_zero = fit.R_start - fit.slope * time[0]
        found = function(values, time=time, R=at_zero, slope=fit.slope, theta=fit.theta, sigma=fit.sigma)
        assert found == pytest.approx(fit.log_likelihood, abs=1e-7)
        moved = function(values, time=time, R=1.05 * at_zero, slope=fit.slope, theta=fit.theta, sigma=fit.sigma)
        assert moved < found


@pytest.mark.parametrize("alternative", ["saddle-node", "transcritical"])
def test_a_constant_distance_is_an_ornstein_uhlenbeck_process(alternative: Any) -> None:
    values, time = red_noise(30, 0.8, 1), np.cumsum(np.random.default_rng(1).uniform(0.3, 2.0, 30))
    rate, level, sigma = 0.7, 99.0, 2.5
    expected = bifurcations.ornstein_uhlenbeck_log_likelihood(values, time=time, rate=rate, level=level, sigma=sigma)
    if alternative == "saddle-node":
        found = bifurcations.saddle_node_log_likelihood(
            values, time=time, R=rate**2 / 4, slope=0.0, theta=level - rate / 2, sigma=sigma / math.sqrt(level)
        )
    else:
        theta = math.sqrt(level / rate)
        noise = sigma / math.sqrt(1 + theta * rate)
        found = bifurcations.transcritical_log_likelihood(
            values, time=time, R=theta * rate, slope=0.0, theta=theta, sigma=noise
        )
    assert found == pytest.approx(expected, rel=1e-12)


def test_a_distance_below_zero_has_no_likelihood() -> None:
    for function in (bifurcations.saddle_node_log_likelihood, bifurcations.transcritical_log_likelihood):
        assert function([1.0, 2.0, 1.5], R=1.0, slope=-0.6, theta=1.0, sigma=1.0) == -math.inf


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"values": [1.0]}, errors.SeriesTooShortError),
        ({"values": [1.0, math.nan, 2.0]}, errors.MissingValuesError),
        ({"time": [0.0, 1.0, 1.0]}, errors.ArgumentError),
        ({"sigma": 0.0}, errors.ValueRangeError),
        ({"rate": -1.0}, errors.ValueRangeError),
        ({"level": math.inf}, errors.ValueRangeError),
    ],
)
def test_likelihood_functions_refuse(arguments: dict[str, Any], error: type[Exception]) -> None:
    usual: dict[str, Any] = {"values": [1.0, 2.0, 1.5], "rate": 1.0, "level": 1.0, "sigma": 1.0}
    chosen = usual | arguments
    with pytest.raises(error):
        bifurcations.ornstein_uhlenbeck_log_likelihood(chosen.pop("values"), **chosen)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"alternative": "saddle node"}, errors.UnknownNameError, "saddle-node"),
        ({"drift": "away"}, errors.UnknownNameError, "towards"),
        ({"noise": "white"}, errors.UnknownNameError, "additive"),
        ({"n_bootstrap": -1}, errors.ValueRangeError, "n_bootstrap"),
        ({"n_bootstrap": 2.5}, errors.ValueRangeError, "n_bootstrap"),
        ({"alpha": 1.0}, errors.ValueRangeError, "alpha"),
        ({"seed": -3}, errors.ValueRangeError, "seed"),
        ({"missing": "skip"}, errors.UnknownNameError, "missing"),
    ],
)
def test_arguments_out_of_range(arguments: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        likelihood(np.arange(20.0) % 7 + 1, **arguments)


@pytest.mark.parametrize(
    ("series", "error"),
    [
        ([1.0, 2.0, 3.0], errors.SeriesTooShortError),
        (np.ones(30), errors.ValueRangeError),
        (np.where(np.arange(30) == 4, np.nan, np.arange(30.0) % 5), errors.MissingValuesError),
        (["a"] * 30, errors.InputTypeError),
        (-1.0 - np.arange(30.0) % 7, errors.ValueRangeError),
        (1e200 * (1.0 + np.arange(30.0) % 7), errors.ValueRangeError),
    ],
)
def test_series_that_cannot_be_used(series: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        likelihood(series, n_bootstrap=0)


def test_a_negative_level_needs_additive_noise() -> None:
    values = red_noise(20, 0.5, 1, level=-3.0)
    with pytest.raises(errors.ValueRangeError, match="additive"):
        likelihood(values, n_bootstrap=0)
    result = likelihood(values, noise="additive", n_bootstrap=0)
    assert result.null.level < 0
    assert result.ratio_free >= 0.0


def test_gaps_left_out_keep_their_times() -> None:
    values = red_noise(20, 0.8, 4)
    gappy = values.copy()
    gappy[[5, 6, 12]] = np.nan
    present = np.flatnonzero(np.isfinite(gappy))
    result = likelihood(gappy, missing="drop", n_bootstrap=0)
    same = likelihood(values[present], time=present, missing="drop", n_bootstrap=0)
    assert result.free == same.free
    assert "the times of the others are used as they are" in result.series.notes[0]
    assert same.series.notes == ("uneven spacing: the times are used as they are",)
    squeezed = likelihood(values[present], n_bootstrap=0)
    assert squeezed.null.rate != result.null.rate


def test_dates_are_counted_in_days() -> None:
    values = red_noise(20, 0.5, 3)
    plain = likelihood(values, time=np.arange(20) * 7.0, n_bootstrap=0)
    dated = likelihood(values, time=np.datetime64("2001-01-01") + 7 * np.arange(20), n_bootstrap=0)
    assert dated.null.rate == pytest.approx(plain.null.rate, rel=1e-9)


@pytest.mark.jit
def test_test_statistics_follow_from_the_ratios(tested: LikelihoodRatio) -> None:
    null, test, alpha = tested.null_ratios, tested.test_ratios, tested.config.alpha
    assert null.shape == test.shape == (40,)
    assert tested.pvalue == (1 + (null >= tested.ratio).sum()) / 41
    wins = (test[:, None] > null).mean() + 0.5 * (test[:, None] == null).mean()
    assert tested.auc == pytest.approx(wins)
    assert np.trapezoid(tested.true_positive_rate, tested.false_positive_rate) == pytest.approx(tested.auc)
    for rates in (tested.false_positive_rate, tested.true_positive_rate):
        assert (rates[0], rates[-1]) == (0.0, 1.0)
        assert (np.diff(rates) >= 0).all()
    pvalues = np.array([(1 + (null >= d).sum()) / 41 for d in test])
    assert tested.power == (pvalues <= alpha).mean()
    assert tested.power == (test > tested.threshold).mean()


@pytest.mark.jit
def test_threads_chunks_and_number_do_not_change_a_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    values = red_noise(40, 0.5, 5)
    monkeypatch.setenv("EWS_NUM_THREADS", "1")
    one = likelihood(values, drift="free", n_bootstrap=24, seed=3)
    monkeypatch.setenv("EWS_NUM_THREADS", "3")
    three = likelihood(values, drift="free", n_bootstrap=24, seed=3)
    fewer = likelihood(values, drift="free", n_bootstrap=7, seed=3)
    other = likelihood(values, drift="free", n_bootstrap=7, seed=4)
    for name in ("null_ratios", "test_ratios"):
        np.testing.assert_array_equal(getattr(one, name), getattr(three, name))
        np.testing.assert_array_equal(getattr(one, name)[:7], getattr(fewer, name))
        assert (getattr(fewer, name) != getattr(other, name)).any()


@pytest.mark.jit
def test_too_few_series_cannot_reach_the_level() -> None:
    result = likelihood(red_noise(20, 0.5, 5), n_bootstrap=9)
    assert result.threshold == math.inf
    assert result.power == 0.0
    assert result.to_dict()["threshold"] == "inf"


@pytest.mark.jit
def test_progress_counts_every_series_drawn() -> None:
    seen: list[tuple[int, int]] = []
    likelihood(red_noise(20, 0.5, 5), n_bootstrap=30, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (60, 60)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.jit
def test_an_approach_is_seen_and_a_retreat_is_not() -> None:
    values = approaching(150, 2.0, 0.05, 11)
    forward = likelihood(values, n_bootstrap=99)
    assert forward.pvalue <= 0.02
    assert forward.towards.rate_end < 0.5 * forward.towards.rate_start
    assert forward.auc > 0.8
    backward = likelihood(values[::-1], n_bootstrap=0)
    assert backward.ratio_towards < 0.1 * forward.ratio_towards
    assert backward.ratio_free > 1.0


@pytest.mark.jit
def test_a_declining_level_is_seen_by_the_transcritical_model() -> None:
    """Level and rate fall together, as they do when a population goes extinct through a transcritical bifurcation."""
    declining = np.linspace(1.0, 0.2, 120)
    noise = red_noise(120, 0.6, 8, level=0.0, sd=1.0)
    result = likelihood(100.0 * declining + noise, alternative="transcritical", n_bootstrap=0)
    assert result.ratio_towards > 20.0
    assert result.ratio_free == result.ratio_towards
    assert result.towards.level_end < 0.5 * result.towards.level_start


@pytest.mark.jit
def test_the_report_says_what_was_done(tested: LikelihoodRatio) -> None:
    text = tested.summary()
    assert max(map(len, text.splitlines())) <= 100
    for part in ("saddle-node", "seed 7", "40 series drawn", "rate falls", "Caution", f"{tested.auc:.2f}"):
        assert part in text
    untested = likelihood(red_noise(20, 0.5, 5), alternative="transcritical", drift="free", n_bootstrap=0)
    assert "no bootstrap was asked for" in " ".join(untested.summary().split())
    assert "θR" in untested.summary()
    assert "p=" in repr(tested)


@pytest.mark.jit
def test_the_dictionary_is_valid_json(tested: LikelihoodRatio) -> None:
    read = json.loads(json.dumps(tested.to_dict(), allow_nan=False))
    assert read["config"]["seed"] == 7
    assert len(read["null_ratios"]) == 40
    assert read["ratio"] == tested.ratio


@pytest.mark.jit
def test_the_figure_has_its_panels(tested: LikelihoodRatio) -> None:
    figure = tested.plot()
    figure.canvas.draw()
    assert [axes.get_xlabel() for axes in figure.axes] == ["time", "time", "ratio D of series drawn", "false positives"]
    untested = likelihood(red_noise(20, 0.5, 5), n_bootstrap=0).plot()
    untested.canvas.draw()
    assert len(untested.axes) == 2
