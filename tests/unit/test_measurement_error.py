"""Measurement error: what is allowed for, what is said of it, and what must not change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import ews
from ews._analysis.detect.controls import Fitted, draw_control
from ews._analysis.score_tests.measurement import fitted_with_error, looks_like_error
from ews.cli.commands import app
from ews.errors import ArgumentError
from ews.nulls.at_times import AR1AtTimes
from ews.nulls.with_error import AR1WithError

KINDS: tuple[Any, ...] = ("constant", "drifting")


def red(n: int = 400, phi: float = 0.9, rows: int = 1, seed: int = 3) -> np.ndarray:
    return AR1AtTimes(phi, np.sqrt(1.0 - phi**2), np.arange(float(n))).draw(0, rows, seed=seed)


def noise(n: int, rows: int = 1, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, n))


def test_error_that_falls_passes_for_memory_that_rises_unless_its_size_is_left_free() -> None:
    rows = red(rows=25) + np.linspace(1.0, 0.1, 400) * noise(400, 25)
    warned = {
        kind: sum(
            "memory towards +1" in ews.score_tests(row, n_surrogates=199, measurement_error=kind).kinds for row in rows
        )
        for kind in (None, "default", *KINDS)
    }
    assert warned[None] > 18
    assert warned["default"] > 15  # an error of constant size does not explain it
    assert warned["drifting"] <= 4


def test_constant_error_warns_no_more_often_than_it_should() -> None:
    rows = red(rows=60, phi=0.95) + 0.5 * noise(400, 60)
    for kind in ("constant", "default"):
        warned = [ews.score_tests(row, n_surrogates=199, measurement_error=kind).warning for row in rows]
        assert sum(warned) <= 7
    assert sum(ews.score_tests(row, n_surrogates=199, measurement_error=None).warning for row in rows) > sum(warned)


def test_error_is_allowed_for_by_default_where_a_record_looks_like_it() -> None:
    noisy = red()[0] + 0.5 * noise(400)[0]
    found = ews.detect(noisy, n_surrogates=199)
    assert found.config.measurement_error == "constant"
    assert "measurement error of constant size" in found.null_sentence
    assert any("stronger than memory over one step implies" in reason for reason in found.reasons)
    asked = ews.detect(noisy, n_surrogates=199, measurement_error="constant")
    assert [one.adjusted for one in found.scores.tests] == [one.adjusted for one in asked.scores.tests]
    for other in (red()[0], ews.models.hopf(n=400, seed=1).values):
        assert ews.detect(other, n_surrogates=99).config.measurement_error is None
    assert ews.detect(noisy, n_surrogates=99, null="fourier").config.measurement_error is None
    assert ews.detect(noisy, n_surrogates=99, method="kendall").config.measurement_error is None
    # On the way to a flip neighbours cease to be alike, and then are opposite: as error makes them, but none is there.
    flips = [ews.score_tests(ews.models.ricker(n=200, seed=k), n_surrogates=0) for k in range(20)]
    assert sum(one.error_likely for one in flips) > 5
    assert all(one.config.measurement_error is None for one in flips)


@pytest.mark.parametrize("kind", KINDS)
def test_what_approaches_is_still_seen_under_error(kind: Any) -> None:
    series = ews.models.pitchfork(n=600, seed=2).values
    found = ews.score_tests(series + 0.3 * series.std() * noise(600)[0], n_surrogates=199, measurement_error=kind)
    assert "memory towards +1" in found.kinds
    assert found.memory[-1] > found.memory[0]
    assert found.config.measurement_error == kind
    assert "easurement error of" in found.summary()


@pytest.mark.parametrize("kind", [None, "default", *KINDS])
def test_the_unit_and_an_offset_change_nothing(kind: Any) -> None:
    x = red(200)[0] + 0.5 * noise(200)[0]
    plain = ews.score_tests(x, n_surrogates=99, measurement_error=kind)
    for other in (1024.0 * x, 2.0**-200 * x, x + 2.0**10):
        found = ews.score_tests(other, n_surrogates=99, measurement_error=kind)
        np.testing.assert_allclose([t.score for t in found.tests], [t.score for t in plain.tests], rtol=1e-6)
        np.testing.assert_allclose([t.pvalue for t in found.tests], [t.pvalue for t in plain.tests], atol=0.011)
        assert found.error_likely == plain.error_likely


@pytest.mark.parametrize(("phi", "share"), [(0.9, 0.3), (0.6, 0.5), (-0.7, 0.4), (0.8, 0.0)])
def test_the_null_has_the_memory_and_the_error_of_the_record(phi: float, share: float) -> None:
    at = np.arange(20_000.0)
    true = AR1WithError(phi, np.sqrt((1 - share) * (1 - phi**2)), np.sqrt(share), at)
    assert true.share == pytest.approx(share)
    found = fitted_with_error(
        true.draw(0, 1, seed=2), at, observed=lambda rows, _: rows, left=lambda rows: rows, seed=1
    )
    assert found.coefficient == pytest.approx(phi, abs=0.05)
    assert found.share == pytest.approx(share, abs=0.06)
    np.testing.assert_allclose(found.draw(0, 2, seed=3).std(), 1.0, atol=0.05)
    np.testing.assert_array_equal(found.draw(0, 3, seed=3)[2:], found.draw(2, 1, seed=3))


def test_the_smoother_is_undone_in_the_null() -> None:
    rows = red(300, 0.9, 12) + 0.6 * noise(300, 12)
    sentences = [ews.score_tests(row, n_surrogates=0, measurement_error="constant").null_sentence for row in rows]
    shares = [float(one.split("constant size (")[1].split()[0]) for one in sentences]
    assert np.median(shares) == pytest.approx(0.36 / 1.36, abs=0.12)


def test_the_risk_is_named_where_a_record_looks_like_error_and_seldom_else() -> None:
    plain = red(400, rows=200, seed=8)
    assert 10 <= sum(looks_like_error(row) for row in red(400, 0.6, rows=200)) <= 50  # 0.16 where nothing is smoothed
    named = [ews.score_tests(row, n_surrogates=0).error_likely for row in plain]
    assert sum(named) <= 0.1 * len(named)
    noisy = plain[:20] + 0.5 * noise(400, 20)
    assert sum(ews.score_tests(row, n_surrogates=0).error_likely for row in noisy) >= 18
    assert not looks_like_error(np.zeros(100))
    assert not looks_like_error(np.full(100, np.nan))
    detection = ews.detect(noisy[0], n_surrogates=99, measurement_error=None)
    assert any('measurement_error="constant"' in reason for reason in detection.reasons)
    assert detection.scores is not None
    assert 'measurement_error="constant"' in detection.scores.summary().replace("\n", " ").replace("  ", "")


@pytest.mark.parametrize("kind", KINDS)
def test_gaps_repeats_and_rounding_are_taken_as_they_are(kind: Any) -> None:
    generator = np.random.default_rng(4)
    x = red(500)[0] + 0.5 * noise(500)[0]
    kept = np.sort(generator.choice(500, 400, replace=False))
    time = np.concatenate([kept, kept[50:80]]).astype(float)
    order = np.argsort(time, kind="stable")
    values = np.round(np.concatenate([x[kept], x[kept[50:80]] + 0.1]), 1)
    for data, at in (
        (values[order], time[order]),
        (np.round(x), None),
        (np.where(generator.random(500) < 0.2, np.nan, x), None),
    ):
        found = ews.score_tests(data, time=at, n_surrogates=99, measurement_error=kind)
        assert np.isfinite([one.adjusted for one in found.tests]).all()
        assert "measurement error of constant size" in found.null_sentence
        assert found.memory.shape == found.residual.shape


@pytest.mark.parametrize("kind", ["default", *KINDS])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_few_pairs_at_uneven_times_have_a_null_all_the_same(kind: Any, sign: float) -> None:
    # Of few neighbours a step apart, all of them far out, the autocorrelation passes 1, or −1.
    generator = np.random.default_rng(11)
    for _ in range(4):
        time = np.arange(90.0) + generator.uniform(-0.3, 0.3, 90)
        values = AR1AtTimes(0.95, 0.3, time).draw(0, 1, seed=int(generator.integers(99)))[0]
        values[::2] += 0.3 * generator.standard_normal(values[::2].size)
        values *= np.where(np.arange(90) % 2, sign, 1.0)
        found = ews.score_tests(values, time=time, n_surrogates=99, measurement_error=kind)
        assert np.isfinite([one.adjusted for one in found.tests]).all()
    pairs = np.full((1, 40), np.nan)
    pairs[0, [3, 4, 5, 20, 21, 22, 35, 36, 37]] = [5.0, 5.1 * sign, 5.0, -5.0, -5.0 * sign, -5.2, 4.9, 5.0 * sign, 5.1]
    pairs[0, [0, 9, 11, 13, 15, 26, 28, 30, 32]] = 0.1
    for at in (np.arange(40.0), np.arange(40.0) * 1.01):
        null = fitted_with_error(pairs, at, observed=lambda rows, _: rows, left=lambda rows: rows, seed=1)
        assert np.isfinite(null.draw(0, 2, seed=1)).all()


def test_detect_carries_it_and_its_controls_have_it() -> None:
    x = red(150)[0] + noise(150)[0]
    found = {kind: ews.detect(x, n_surrogates=199, measurement_error=kind) for kind in (None, *KINDS)}
    for kind in KINDS:
        assert found[kind].config.measurement_error == kind
        assert found[kind].scores is not None
        assert found[kind].scores.config.measurement_error == kind
        assert any("measurement error of" in reason for reason in found[kind].reasons)
    assert found["drifting"].powers["hopf"] <= found[None].powers["hopf"]
    assert (ews.length_needed(found["drifting"], 0.2) or np.inf) > (ews.length_needed(found[None], 0.2) or np.inf)
    quiet, noisy = (
        draw_control("fold", Fitted(0.5, 1.0, 0.5, 0.8, 1.0, error_sd=sd), 500, seed=1)(0, 4) for sd in (0, 2)
    )
    assert (noisy - quiet).std() == pytest.approx(2.0, rel=0.1)


def test_what_cannot_be_done_is_refused() -> None:
    x = red(100)[0]
    for call in (ews.score_tests, ews.detect):
        with pytest.raises(ArgumentError, match="measurement_error"):
            call(x, measurement_error="constnat")
        with pytest.raises(ArgumentError, match="measurement_error"):
            call(x, measurement_error=True)
        with pytest.raises(ArgumentError, match="fewer than 20 observations follow"):
            call(x, time=np.cumsum(10.0 ** np.random.default_rng(1).uniform(0, 2, 100)), measurement_error="constant")
        with pytest.raises(ArgumentError, match=r"measurement_error.*fourier"):
            call(x, measurement_error="constant", null="fourier")
    assert ews.score_tests(x, n_surrogates=19, measurement_error="drifting", null="fourier").config.null == "fourier"
    with pytest.raises(ArgumentError, match=r"measurement_error.*kendall"):
        ews.detect(x, method="kendall", measurement_error="constant")


def test_a_record_that_oscillates_has_its_error_in_the_order_of_its_null() -> None:
    wave = ews.nulls.surrogates(np.sin(np.arange(600.0) * 0.5) * 2.0 + noise(600)[0], null="fourier", n_surrogates=1)[0]
    found = ews.score_tests(wave, n_surrogates=99, measurement_error="constant")
    assert found.null_sentence.startswith("AR(")
    assert "The record oscillates" in found.summary()


def test_it_is_an_option_of_the_command(tmp_path: Path) -> None:
    file, out = tmp_path / "a.csv", tmp_path / "a.json"
    file.write_text("value\n" + "\n".join(map(str, red(120)[0])))
    command = ["detect", str(file), "--measurement-error", "drifting", "--n-surrogates", "99", "--json", str(out)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert json.loads(out.read_text())["config"]["measurement_error"] == "drifting"
