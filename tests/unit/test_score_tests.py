"""``ews.score_tests``: which way the eigenvalue goes, and what must not change the answer."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ews
from ews._analysis.score_tests.shapes import SHAPES, weights
from ews.errors import ArgumentError, SeriesTooShortError

CASES = {
    "memory towards +1": lambda: ews.models.pitchfork(n=400, seed=2),
    "memory towards −1": lambda: ews.models.ricker(n=300, seed=1),
    "damping": lambda: ews.models.hopf(n=400, seed=1),
}


def growing_noise(n: int = 300, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n) * np.linspace(1.0, 2.5, n)


@pytest.mark.parametrize("kind", CASES)
def test_each_bifurcation_is_seen_by_its_own_test(kind: str) -> None:
    found = ews.score_tests(CASES[kind](), n_surrogates=199)
    assert found.warning
    assert [name for name in found.kinds if found[name].warns] == [kind]
    assert found[kind].end != found[kind].start


def test_paths_go_where_the_eigenvalue_goes() -> None:
    up, down, hopf = (ews.score_tests(make(), n_surrogates=0) for make in CASES.values())
    assert up.memory[0] < 0.6 < 0.75 < up.memory[-1]
    assert down.memory[-1] < -0.6 < down.memory[0]
    assert hopf.modulus[-1] > 0.75 > hopf.modulus[0]
    for one in (up, down, hopf):
        assert (one.memory_lower < one.memory).all()
        assert (one.memory < one.memory_upper).all()


def test_noise_that_grows_is_reported_and_no_warning() -> None:
    found = ews.score_tests(growing_noise(), n_surrogates=199)
    assert found.kinds == ("variance",)
    assert not found.warning
    assert found["variance"].end == pytest.approx(2.5 * found["variance"].start, rel=0.3)


def test_shapes_are_centred_rising_and_of_unit_length() -> None:
    w = weights(50)
    assert w.shape == (len(SHAPES), 50)
    np.testing.assert_allclose(w.sum(axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose((w**2).sum(axis=1), 1.0)
    assert (np.diff(w) > 0).all()


@pytest.mark.parametrize(("factor", "offset"), [(1e-9, 0.0), (1e9, 0.0), (-1.0, 0.0), (1.0, 1e6)])
def test_unit_and_offset_change_nothing(factor: float, offset: float) -> None:
    x = ews.models.pitchfork(n=200, seed=5).values
    plain, other = (ews.score_tests(each, n_surrogates=99) for each in (x, factor * x + offset))
    for one, same in zip(plain.tests, other.tests, strict=True):
        assert same.score == pytest.approx(one.score, rel=1e-6)
        assert (same.pvalue, same.adjusted) == (one.pvalue, one.adjusted)


def test_threads_and_repetition_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = ews.models.pitchfork(n=200, seed=5)
    found = ews.score_tests(x, seed=4)
    monkeypatch.setenv("EWS_NUM_THREADS", "1")
    assert ews.score_tests(x, seed=4) == found


def test_a_causal_answer_does_not_look_ahead() -> None:
    x = np.random.default_rng(3).standard_normal(300).cumsum()
    options: dict[str, Any] = {"causal": True, "bandwidth": 20, "n_surrogates": 0}
    whole, past = ews.score_tests(x, **options), ews.score_tests(x[:200], **options)
    np.testing.assert_array_equal(whole.residual[:200], past.residual)


def test_a_few_outliers_neither_make_nor_hide_a_drift() -> None:
    rng = np.random.default_rng(8)
    x = ews.models.pitchfork(n=400, seed=2).values
    places = rng.choice(400, 6, replace=False)
    spoilt = x.copy()
    spoilt[places] += 10 * x.std()
    plain, found = (ews.score_tests(each, n_surrogates=199) for each in (x, spoilt))
    assert "memory towards +1" in found.kinds
    others = np.setdiff1d(np.arange(400), places)
    assert np.abs(found.trend - plain.trend)[others].max() < 0.6 * plain.residual.std()
    still = rng.standard_normal((40, 200))
    still[:, [150, 151, 180, 181]] = 12.0  # pairs of them near the end: memory, if they are believed
    assert np.mean([ews.score_tests(row, n_surrogates=99).warning for row in still]) <= 0.2
    rising = [ews.models.pitchfork(n=300, seed=seed).values for seed in range(20)]
    for one in rising:
        one[rng.choice(300, 6, replace=False)] += 10 * one.std()
    seen = {
        limit: np.mean([ews.score_tests(one, n_surrogates=99, limit=limit).warning for one in rising])
        for limit in (2.5, None)
    }
    assert seen[2.5] >= seen[None] + 0.2


@pytest.mark.parametrize("n", [100, 300])
def test_the_level_holds_for_still_noise_that_is_not_gaussian(n: int) -> None:
    """Rates over 200 series; the long runs stand in the evidence."""
    rng = np.random.default_rng(n)
    noise = {
        "t": rng.standard_t(3, (200, n)),
        "counts": rng.poisson(2.0, (200, n)).astype(float),
        "doubling SD": rng.standard_normal((200, n)) * np.linspace(1.0, 2.0, n),
    }
    for name, rows in noise.items():
        rate = np.mean([ews.score_tests(row, n_surrogates=99).warning for row in rows])
        assert rate <= 0.05 + 2.6 * math.sqrt(0.05 * 0.95 / 200), name


def test_the_summary_says_what_was_found_and_how(tmp_path: Path) -> None:
    found = ews.score_tests(pd.Series(growing_noise(), name="lake"), n_surrogates=399)
    text = found.summary()
    assert "Score tests of drift in 'lake'" in text
    assert "the noise grows, which by itself is no loss of resilience" in text
    assert "Local quadratic regression" in text
    assert "399 surrogates" in text
    assert max(map(len, text.splitlines())) <= 96
    assert "no p-value" in ews.score_tests(growing_noise(), n_surrogates=0).summary()
    assert "No drift" in ews.score_tests(np.random.default_rng(1).standard_normal(100), n_surrogates=99).summary()
    found.plot().savefig(tmp_path / "figure.png")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0.0}, r"limit: got 0\.0; allowed: a positive number, or None"),
        ({"limit": "2"}, r"limit: got '2'"),
        ({"alpha": 2}, "alpha: got 2"),
        ({"null": "ar"}, "null: got 'ar'"),
        ({"detrend": "local"}, "detrend: got 'local'.*local_linear"),
        ({"detrend": "difference"}, "differences keep nothing"),
        ({"n_surrogates": -1}, "n_surrogates: got -1"),
    ],
)
def test_bad_options_are_refused_by_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        ews.score_tests(growing_noise(60), **options)


def test_short_and_unknown_are_refused() -> None:
    with pytest.raises(SeriesTooShortError, match="got 9 observation"):
        ews.score_tests(growing_noise(9))
    with pytest.raises(ArgumentError, match="did you mean 'damping'"):
        ews.score_tests(growing_noise(60), n_surrogates=0)["dampening"]
