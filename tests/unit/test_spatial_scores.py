"""``ews.detect_spatial`` by score tests: modes that lose their recovery warn, noise and patterns that grow do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.ndimage import gaussian_filter

import ews
from ews._analysis.score_tests.shapes import weights
from ews._analysis.spatial.modes import modes_of
from ews._analysis.spatial.scoring import SpatialScoring
from ews.detrend import plan
from ews.spatial import linear_field


def field(n: int = 60, side: int = 14, *, memory: float = 0.6, ends: float | None = None, seed: int = 1) -> np.ndarray:
    """A linear field whose memory goes along a line from one value to another."""
    rate = -np.log(np.linspace(memory, memory if ends is None else ends, n))
    return linear_field.simulate(rate, 0.1, (side, side), np.random.default_rng(seed))


def answer(maps: Any, **options: Any) -> ews.SpatialDetection:
    return ews.detect_spatial(maps, **{"n_surrogates": 99, "indicators": ("moran", "variance"), **options})


def test_a_field_that_recovers_ever_more_slowly_warns() -> None:
    found = answer(field(memory=0.3, ends=0.95))
    assert (found.verdict, found.kind, found.bifurcation) == ("warning", "slowing down", None)
    assert found.scores is not None
    one = found.scores["memory towards +1"]
    assert one.drift_low > 0.0
    assert one.end > one.start + 0.1
    assert found.powers == {"fold": found.power}
    assert "slowing down" in repr(found)
    text = found.summary()
    assert "Memory rises" in text
    assert "context" in text
    assert any("memory towards" in axes.get_title(loc="right") for axes in found.plot().axes)


def test_a_field_that_alternates_ever_more_is_named() -> None:
    rng, n = np.random.default_rng(2), 80
    maps = rng.standard_normal((n, 12, 12))
    for t in range(1, n):
        maps[t] -= (0.2 + 0.75 * t / n) * maps[t - 1]
    found = answer(maps, n_surrogates=299)
    assert (found.verdict, found.bifurcation) == ("warning", "flip")


@pytest.mark.parametrize("kind", ["noise", "step", "pattern", "level"])
def test_what_is_not_memory_does_not_warn(kind: str) -> None:
    maps, share = field(seed=5), np.linspace(0.0, 1.0, 60)[:, None, None]
    changed = {
        "noise": maps * (1.0 + 2.0 * share),
        "step": maps * np.where(share < 0.5, 1.0, 3.0),
        "pattern": maps + 20.0 * share * gaussian_filter(np.random.default_rng(3).standard_normal((14, 14)), 2.0),
        "level": maps + 10.0 * share,
    }[kind]
    found = answer(changed)
    assert found.verdict != "warning"
    assert found.kind == ("variance only" if kind in ("noise", "step") else "none")


def test_fields_at_rest_rarely_warn() -> None:
    warned = [answer(field(24, 8, memory=0.7, seed=seed), n_surrogates=79).verdict == "warning" for seed in range(24)]
    assert sum(warned) <= 4  # of 24 at 0.05, by chance more in 0.006 of runs


@pytest.mark.parametrize("changed", [np.exp, lambda x: 1e6 * x - 3e7, lambda x: x**3], ids=["exp", "unit", "cube"])
def test_increasing_transformations_change_no_score(changed: Any) -> None:
    maps = field(30, 10)
    found, other = (answer(one, n_surrogates=0) for one in (maps, changed(maps)))
    assert [one.score for one in found.tests] == pytest.approx([one.score for one in other.tests], abs=1e-9)


def test_results_depend_on_the_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = field(30, 10)
    kept = maps.copy()
    found = answer(maps)
    monkeypatch.setenv("EWS_NUM_THREADS", "1")
    assert answer(maps) == found
    np.testing.assert_array_equal(maps, kept)
    assert answer(maps, seed=1).scores != found.scores


@pytest.mark.parametrize("null", ["fourier", "block", "permutation"])
def test_other_nulls_and_gaps(null: Any) -> None:
    maps = field(24, 8)
    maps[3:9, 2, 2:5] = np.nan
    found = answer(maps, null=null, missing="drop", n_surrogates=39)
    assert np.isfinite([one.adjusted for one in found.tests]).all()
    assert "spatial modes" in found.null_sentence


def test_small_and_narrow_maps_have_modes() -> None:
    for shape in ((20, 2, 2), (20, 2, 9), (20, 5, 40)):
        maps = np.random.default_rng(1).standard_normal(shape)
        modes = modes_of(maps)
        assert modes.amplitude.shape == (modes.ring.size, 20)
        assert modes.ring[0] == 0
        assert answer(maps, n_surrogates=19, indicators="variance").verdict != "warning"


def test_modes_are_orthonormal_waves() -> None:
    maps = np.random.default_rng(1).standard_normal((3, 9, 9))
    modes = modes_of(maps)
    power = modes.amplitude[0] ** 2 + 2.0 * (modes.amplitude[1:] ** 2).sum(axis=0)
    assert modes.amplitude.shape[0] == 81  # all of them, without a wave at the sampling limit
    ranked = maps.ravel().argsort().argsort().reshape(maps.shape)
    from scipy.special import ndtri

    np.testing.assert_allclose(power, (ndtri((ranked + 0.5) / ranked.size) ** 2).sum(axis=(1, 2)))


def test_pooled_scores_are_sums_of_regressions() -> None:
    n = 50
    rows = modes_of(field(n, 4)).amplitude
    scoring = SpatialScoring(plan(None, n=n, bandwidth=None, causal=False, season=None))
    found, memory = scoring.scores(rows[None])
    w = weights(n)[:, 1:]
    even = scoring.even(scoring.residual(rows[None]))[0]
    total = np.zeros(3)
    for row in even:
        # As the scores have it: pulled in to 2.5 robust standard deviations.
        bound = 2.5 * 1.4826 * np.median(np.abs(row))
        x = np.clip(row, -bound, bound)
        error = sm.OLS(x[1:], x[:-1]).fit().resid
        for k, shape in enumerate(w):
            terms = (shape - np.average(shape, weights=x[:-1] ** 2)) * x[:-1] * error
            total[k] += terms.sum() / np.sqrt((terms**2).sum())
    np.testing.assert_allclose(memory[0], total / np.sqrt(len(rows)), atol=0.02)
    assert found[0, 0] == memory[0].max()
    assert found[1, 0] == -memory[0, 0]
    louder = scoring.scores((rows * np.linspace(1.0, 4.0, n))[None])[0]
    assert louder[3, 0] > found[3, 0] + 5.0
    assert abs(louder[0, 0] - found[0, 0]) < 0.5
