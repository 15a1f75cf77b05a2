"""Every output of a detection however gaps are handled; numbers that must not depend on units or time zones."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

import ews
from ews.errors import ArgumentError

# Thousands of simulated series: too many for kernels in plain Python; test_detect_plain.py runs one there.
pytestmark = pytest.mark.jit


GENERATOR = np.random.default_rng(8)
NOISE = GENERATOR.standard_normal(120)
DAYS = pd.date_range("2000-01-01", periods=120, freq="D")


@pytest.mark.parametrize("missing", ["interpolate", "drop"])
@pytest.mark.parametrize("gap", ["a missing value", "a missing day"])
def test_every_output_works_however_gaps_are_handled(missing: str, gap: str) -> None:
    series = pd.Series(NOISE, index=DAYS)
    series = series.mask(np.arange(120) == 40) if gap == "a missing value" else series.drop(DAYS[40])
    found = ews.detect(series, missing=missing, n_surrogates=60)
    assert found.series.notes
    assert found.series.notes[0] in found.summary().replace("\n            ", " ")
    assert len(found.changepoints) == len(found.changepoints.time)
    assert json.loads(found.to_json())["verdict"] == found.verdict
    assert len(found.plot().axes) > 4
    assert found.verdict in found.to_html()


def test_shifts_stand_at_their_own_times_where_gaps_were_dropped() -> None:
    series = pd.Series(NOISE + np.where(np.arange(120) < 80, 0.0, 8.0), index=DAYS).drop(DAYS[20:40])
    assert list(ews.detect(series, missing="drop", n_surrogates=0).changepoints.time) == [DAYS[80].to_datetime64()]


@pytest.mark.parametrize(("option", "value"), [("missing", "drop"), ("detrend", "difference")])
def test_a_season_is_refused_where_its_phase_or_its_surrogates_would_be_wrong(option: str, value: str) -> None:
    with pytest.raises(ArgumentError, match="season"):
        ews.detect(NOISE, season=12, **{option: value})


def test_power_does_not_depend_on_the_unit() -> None:
    level = 20 + NOISE
    powers = {ews.detect(unit * level, indicators=("cv",), n_surrogates=200).power for unit in (1.0, 0.125, 1024.0)}
    assert len(powers) == 1


def test_significance_agrees_with_detect_once_it_knows_the_level() -> None:
    found = ews.detect(20 + NOISE, indicators=("cv", "variance"), method="kendall", n_surrogates=99)
    again = ews.significance(found.residual, level=found.trend, indicators=("cv", "variance"), n_surrogates=99)
    assert again.tau == pytest.approx(found.tau, abs=1e-12)
    assert again.pvalue == found.pvalue
    with pytest.raises(ArgumentError, match="level"):
        ews.significance(found.residual, indicators=("cv",), n_surrogates=99)


def test_a_date_is_read_in_the_time_zone_of_the_series() -> None:
    zurich = pd.Series(NOISE, index=DAYS.tz_localize("Europe/Zurich"))
    found = ews.detect(zurich, until="2000-03-01", n_surrogates=0)
    assert pd.Timestamp(found.series.time[-1], tz="UTC").tz_convert("Europe/Zurich") == pd.Timestamp(
        "2000-03-01", tz="Europe/Zurich"
    )


def test_a_slope_is_per_unit_of_time() -> None:
    daily = ews.detect(NOISE, trend="theil_sen", n_surrogates=0)
    weekly = ews.detect(NOISE, time=7.0 * np.arange(120), trend="theil_sen", n_surrogates=0)
    assert weekly.tau["variance"] == pytest.approx(daily.tau["variance"] / 7, rel=1e-12)


def test_no_p_value_is_shown_as_zero() -> None:
    drifting = GENERATOR.standard_normal(400) * np.linspace(1.0, 6.0, 400)
    for method in ("score", "kendall"):
        found = ews.detect(drifting, method=method, n_surrogates=9999)
        assert "p < 0.001" in found.reasons[0]
        assert not re.search(r"\b0\.000\b", repr(found) + " ".join(found.reasons) + found.summary())


def test_no_surrogate_is_drawn_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bands and p-values come from the same surrogates."""
    drawn: list[int] = []
    draw = ews.nulls.Fourier.draw

    def counted(self: ews.nulls.Fourier, first: int, count: int, *, seed: int) -> np.ndarray:
        drawn.extend(range(first, first + count))
        return draw(self, first, count, seed=seed)

    monkeypatch.setattr(ews.nulls.Fourier, "draw", counted)
    found = ews.detect(NOISE, null="fourier", method="kendall", n_surrogates=230)
    assert sorted(drawn) == list(range(230))
    assert set(found.surrogate_band) == set(found.indicators)
