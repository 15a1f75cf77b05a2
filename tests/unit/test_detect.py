"""``ews.detect`` end to end: what its numbers are, what the verdict follows from, and that the config reproduces it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from scipy import stats

import ews
from ews.results import Detection

# Thousands of simulated series: too many for kernels in plain Python; test_detect_plain.py runs one there.
pytestmark = pytest.mark.jit


N = 120
X = ews.nulls.AR1(0.5, 1.0, N).draw(0, 1, seed=3)[0] + np.linspace(0, 3, N)
APPROACH = ews.models.harvested_population(n=300, seed=1)


def detect(series: Any = X, **options: Any) -> Detection:
    found = ews.detect(series, **{"n_surrogates": 60, **options})
    assert isinstance(found, Detection)
    return found


@pytest.mark.parametrize("detrend", ["gaussian", "lowess", "linear", None])
def test_the_pipeline_is_its_public_parts(detrend: str | None) -> None:
    found = detect(detrend=detrend, indicators=("variance", "ac1", "skewness", "kurtosis"), n_surrogates=0)
    plan = ews.detrend.plan(detrend, n=N, bandwidth=None, causal=False)
    residual = plan.apply(X).residual
    np.testing.assert_allclose(found.residual, residual, rtol=0, atol=1e-13)
    np.testing.assert_allclose(found.trend + found.residual, X, rtol=0, atol=1e-13)
    assert found.config.window == 60
    functions = {
        "variance": ews.variance,
        "ac1": ews.autocorrelation,
        "skewness": ews.skewness,
        "kurtosis": ews.kurtosis,
    }
    for name, function in functions.items():
        values = function(residual, window=60)
        np.testing.assert_allclose(found.indicators[name].values, values, rtol=1e-9, atol=1e-12)
        assert np.isnan(found.indicators[name].values[:59]).all()
        assert np.isfinite(found.indicators[name].values[59:]).all()
        assert found.tau[name] == pytest.approx(stats.kendalltau(np.arange(61), values[59:]).statistic, abs=1e-12)


def test_p_values_come_from_surrogates_through_the_same_steps() -> None:
    """A loop over surrogates, each detrended, windowed and ranked by the public functions."""
    found = detect(indicators=("variance", "ac1"), method="kendall", n_surrogates=39, seed=8)
    surrogates = ews.nulls.surrogates(found.residual, null="ar1", n_surrogates=39, seed=8)
    plan = ews.detrend.plan("gaussian", n=N, bandwidth=None, causal=False)
    for name, function in {"variance": ews.variance, "ac1": ews.autocorrelation}.items():
        taus = np.array(
            [
                stats.kendalltau(np.arange(61), function(plan.apply(row).residual, window=60)[59:])[0]
                for row in surrogates
            ]
        )
        np.testing.assert_allclose(found.surrogate_tau[name], taus, rtol=0, atol=1e-12)
        up, down = (1 + (taus >= found.tau[name]).sum()) / 40, (1 + (taus <= found.tau[name]).sum()) / 40
        assert found.pvalue[name] == pytest.approx(min(1, 2 * min(up, down)))


@pytest.mark.jit
def test_the_verdict_follows_its_rule() -> None:
    cases = {
        "warning": detect(APPROACH, method="kendall", seed=1, n_surrogates=200),
        "no warning": detect(ews.nulls.AR1(0.3, 1.0, 2000).draw(0, 1, seed=1)[0], method="kendall", n_surrogates=200),
        "inconclusive": detect(X[:40], method="kendall", n_surrogates=200),
    }
    for verdict, found in cases.items():
        assert found.verdict == verdict
        assert found.power is not None
        ways = {"up": (1,), "down": (-1,), "both": (-1, 1)}
        warned = any(
            found.pvalue_adjusted[name] <= 0.05 and np.sign(found.tau[name]) in ways[indicator.alarm]
            for name, indicator in found.indicators.items()
        )
        assert verdict == ("warning" if warned else "no warning" if found.power >= 0.8 else "inconclusive")
        assert found.reasons
        assert all(isinstance(reason, str) and reason for reason in found.reasons)


@pytest.mark.jit
def test_a_trend_against_the_alarm_is_no_warning() -> None:
    """Variance that falls is significant, and said, but it warns of nothing."""
    falling = np.random.default_rng(0).standard_normal(300) * np.linspace(5, 0.2, 300)
    found = detect(falling, indicators=("variance",), method="kendall", n_surrogates=200)
    assert found.pvalue_adjusted["variance"] <= 0.05
    assert found.tau["variance"] < 0
    assert found.verdict != "warning"
    assert "against its direction of alarm" in " ".join(found.reasons)
    rising = detect(falling[::-1], indicators=("variance",), method="kendall", n_surrogates=200)
    assert rising.verdict == "warning"


@pytest.mark.jit
def test_skewness_warns_in_both_directions() -> None:
    """Each cycle holds quantiles of a log-normal distribution in random order, more skewed from cycle to cycle."""
    generator = np.random.default_rng(2)
    quantiles = stats.norm.ppf((np.arange(20) + 0.5) / 20)
    cycles = [np.expm1(width * quantiles) for width in np.linspace(0.05, 1.0, 20)]
    skewed = np.concatenate([generator.permutation((cycle - cycle.mean()) / cycle.std()) for cycle in cycles])
    for sign in (1, -1):
        options: dict[str, Any] = {"indicators": "skewness", "detrend": None, "window": 0.25, "n_surrogates": 200}
        found = detect(sign * skewed, method="kendall", **options)
        assert np.sign(found.tau["skewness"]) == sign
        assert found.verdict == "warning"


def test_without_surrogates_there_are_trends_but_no_p_values() -> None:
    found = detect(n_surrogates=0)
    assert found.verdict == "inconclusive"
    assert found.power is None
    assert found.surrogate_band == {}
    for name in found.indicators:
        assert np.isfinite(found.tau[name])
        assert np.isnan([found.pvalue[name], found.pvalue_adjusted[name], *found.tau_interval[name]]).all()
        assert found.surrogate_tau[name].shape == (0,)
    assert "no surrogates" in found.reasons[0]


def test_too_few_surrogates_cannot_warn_and_say_so() -> None:
    for method in ("score", "kendall"):
        assert "draw more" in " ".join(detect(APPROACH, method=method, n_surrogates=19).reasons)
        assert "draw more" not in " ".join(detect(APPROACH, method=method, n_surrogates=599).reasons)
    assert detect(APPROACH, method="kendall", n_surrogates=19).verdict != "warning"


OPTIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "lowess": {"detrend": "lowess", "bandwidth": 0.3, "window": 0.4, "n_surrogates": 0},
    "samples": {"bandwidth": 30, "window": 41, "causal": True},
    "no detrending": {"detrend": None, "indicators": "variance", "trend": "theil_sen"},
    "difference": {"detrend": "difference", "null": "block", "trend": "spearman", "method": "kendall"},
    "season": {"season": 12, "null": "iaaft", "alpha": 0.1, "n_surrogates": 20},
    "until": {"until": 99.5, "null": "fourier", "seed": 12},
    "numpy arguments": {
        "window": np.int64(40),
        "bandwidth": np.float32(0.25),
        "n_surrogates": np.int32(30),
        "alpha": np.float32(0.05),
        "causal": np.True_,
        "season": np.int16(6),
        "seed": np.uint8(3),
        "until": np.float64(110),
    },
}


@pytest.mark.parametrize("name", OPTIONS)
def test_the_config_reproduces_the_result(name: str) -> None:
    found = detect(**OPTIONS[name])
    options = asdict(found.config)
    assert options.pop("window_fraction") == found.config.window / len(found.series)
    again = ews.detect(X, **options)
    assert isinstance(again, Detection)
    assert again.config == found.config
    assert again.to_json() == found.to_json()


@pytest.mark.parametrize("until", ["2001-03", "2001-03-15", np.datetime64("2001-03-15T12"), "2001-03-15T12:00+01:00"])
def test_the_config_reproduces_a_date(until: Any) -> None:
    time = np.datetime64("2001-01-01") + np.arange(N)
    found = detect(time=time, until=until, n_surrogates=0)
    again = detect(time=time, until=found.config.until, n_surrogates=0)
    assert len(found.series) == len(again.series) < N


def test_the_seed_is_recorded_whatever_gave_it() -> None:
    drawn = detect(seed=np.random.default_rng(4))
    assert drawn.config.seed == int(np.random.default_rng(4).integers(2**63 - 1))
    assert detect(seed=drawn.config.seed).surrogate_tau["ac1"].tolist() == drawn.surrogate_tau["ac1"].tolist()
    fresh = detect(seed=None)
    assert detect(seed=fresh.config.seed).pvalue == fresh.pvalue
    assert detect(seed=None).config.seed != fresh.config.seed
    assert detect().config.seed == 0


def test_a_seed_changes_surrogates_but_no_trend() -> None:
    one, two = detect(seed=1), detect(seed=2)
    assert one.tau == two.tau
    assert one.surrogate_tau["ac1"].tolist() != two.surrogate_tau["ac1"].tolist()


def test_one_indicator_may_be_named_alone() -> None:
    assert list(detect(indicators="ac1", n_surrogates=0).indicators) == ["ac1"]
    assert list(detect(indicators=["skewness", "ac1"], n_surrogates=0).indicators) == ["skewness", "ac1"]


def test_an_indicator_has_the_same_trend_in_any_company() -> None:
    alone = detect(indicators=("ac1",))
    among = detect(indicators=("skewness", "variance", "ac1"))
    assert alone.tau["ac1"] == among.tau["ac1"]
    assert alone.pvalue["ac1"] == among.pvalue["ac1"]
    np.testing.assert_array_equal(alone.surrogate_tau["ac1"], among.surrogate_tau["ac1"])


def test_a_season_is_taken_out_first() -> None:
    cycle = 3 * np.sin(2 * np.pi * np.arange(N) / 12)
    plain, with_cycle = detect(X, n_surrogates=0), detect(X + cycle, season=12, n_surrogates=0)
    assert np.corrcoef(plain.residual, with_cycle.residual)[0, 1] > 0.85
    assert with_cycle.config.season == 12
    assert "season of 12 samples" in with_cycle.detrend_sentence


def test_the_band_holds_most_surrogates() -> None:
    found = detect(n_surrogates=200)
    for name, band in found.surrogate_band.items():
        assert band.lower.shape == band.median.shape == band.upper.shape == (N,)
        inside = slice(found.config.window - 1, None)
        assert (band.lower[inside] <= band.median[inside]).all()
        assert (band.median[inside] <= band.upper[inside]).all()
        assert np.isnan(band.lower[: found.config.window - 1]).all(), name


def test_progress_counts_to_the_end() -> None:
    seen: list[tuple[int, int]] = []
    ews.detect(X, n_surrogates=50, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len({total for _, total in seen}) == 1


def test_change_points_are_those_of_the_series() -> None:
    shifted = np.random.default_rng(1).standard_normal(N) + np.repeat([0.0, 12.0], 60)
    found = detect(shifted, time=np.arange(N) / 4, n_surrogates=0)
    assert found.changepoints is found.changepoints
    np.testing.assert_array_equal(found.changepoints.index, [60])
    np.testing.assert_array_equal(found.changepoints.time, [15.0])
