"""The learned classifier: its features against definitions, its network against an oracle, its answers on models."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import kendalltau, norm, rankdata

import ews
from ews.bifurcations import classifier
from ews.bifurcations._classifier.features import FEATURES, LONGEST, SHORTEST, features
from ews.bifurcations._classifier.network import CLASSES, Network, shipped
from ews.bifurcations._classifier.run import evidence_of
from ews.errors import SeriesTooShortError, UnknownNameError, ValueRangeError


def memory(n: int, coefficient: float = 0.6, seed: int = 3) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal(n)
    for i in range(1, n):
        x[i] += coefficient * x[i - 1]
    return x


def named(x: np.ndarray) -> dict[str, float]:
    return dict(zip(FEATURES, features(x.reshape(1, -1))[0], strict=True))


def test_features_have_names_of_their_own() -> None:
    assert len(set(FEATURES)) == len(FEATURES) == features(memory(60).reshape(1, -1)).shape[1]


@pytest.mark.parametrize("n", [SHORTEST, 41, 57, 200])
def test_features_are_what_their_names_say(n: int) -> None:
    x = memory(n)
    z = (x - x.mean()) / x.std()
    found = named(x)
    last = z[n // 2 :] - z[n // 2 :].mean()
    assert found["acf2, last half"] == pytest.approx((last[2:] * last[:-2]).sum() / (last * last).sum(), abs=1e-9)
    scores = norm.ppf((rankdata(x) - 0.5) / n)
    centred = scores - scores.mean()
    oracle = (centred[1:] * centred[:-1]).sum() / (centred**2).sum()
    assert found["acf1, all, scores"] == pytest.approx(oracle, abs=1e-9)
    assert found["log variance ratio of halves"] == pytest.approx(np.log(z[n // 2 :].var() / z[: n // 2].var()))
    window = max(8, round(0.5 * n))
    rolling = [np.var(x[i - window : i], ddof=1) for i in range(window, n + 1)]
    assert found["tau of variance, window 0.5"] == pytest.approx(kendalltau(np.arange(len(rolling)), rolling).statistic)
    assert found["log n"] == pytest.approx(np.log(n))


def test_the_changing_autoregression_is_least_squares() -> None:
    x = memory(300)
    z = (x - x.mean()) / x.std()
    u = np.linspace(-0.5, 0.5, 300)[2:]
    design = np.column_stack([z[1:-1], z[:-2], u * z[1:-1], u * z[:-2]])
    a1, a2, slope1, slope2 = np.linalg.lstsq(design, z[2:], rcond=None)[0]
    found = named(x)
    assert (found["a1"], found["a2"]) == pytest.approx((a1, a2), abs=1e-6)
    for place in (-0.5, 0.0, 0.5):
        roots = np.roots([1.0, -(a1 + slope1 * place), -(a2 + slope2 * place)])
        leading = roots[np.abs(roots).argmax()]
        assert found[f"modulus of the leading root at {place}"] == pytest.approx(abs(leading), abs=1e-6)
        assert found[f"cosine of the leading root at {place}"] == pytest.approx(leading.real / abs(leading), abs=1e-6)


def test_features_know_neither_unit_nor_level_nor_their_neighbours() -> None:
    rows = np.stack([memory(150, seed=i) for i in range(5)])
    together = features(rows)
    np.testing.assert_allclose(features(1e-4 * rows + 77.0), together, atol=1e-6)
    for i in range(5):
        np.testing.assert_allclose(features(rows[i : i + 1])[0], together[i], rtol=1e-12, atol=1e-12)


@pytest.mark.jit
def test_features_of_what_does_not_vary_are_finite() -> None:
    flat = np.zeros((2, 80))
    flat[1, 60] = 1.0
    assert np.isfinite(features(flat)).all()
    assert np.isfinite(features(memory(LONGEST + 300).reshape(1, -1))).all()


def test_the_network_is_what_its_arrays_say() -> None:
    generator = np.random.default_rng(1)
    arrays = {"centre": generator.standard_normal(4), "scale": np.full(4, 2.0), "temperature": np.array(1.7)}
    shapes = [(4, 5), (5, 3), (3, len(CLASSES))]
    for member in range(2):
        for layer, shape in enumerate(shapes):
            arrays[f"weight_{member}_{layer}"] = generator.standard_normal(shape)
            arrays[f"bias_{member}_{layer}"] = generator.standard_normal(shape[1])
    given = 5.0 * generator.standard_normal((7, 4))
    logits = []
    for row in given:
        members = []
        for member in range(2):
            state = np.clip((row - arrays["centre"]) / 2.0, -5.0, 5.0)
            for layer in range(3):
                state = state @ arrays[f"weight_{member}_{layer}"] + arrays[f"bias_{member}_{layer}"]
                if layer < 2:
                    state = np.maximum(state, 0.0)
            members.append(state)
        logits.append(np.mean(members, axis=0) / 1.7)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.exp(Network.of(arrays).log_probabilities(given)), expected, rtol=1e-12)


def test_the_shipped_network_fits_the_features() -> None:
    network = shipped()
    assert network.centre.shape == network.scale.shape == (len(FEATURES),)
    assert len(network.members) == 3
    assert 0.5 < network.temperature < 2.0


@pytest.mark.jit
@pytest.mark.parametrize(
    ("simulate", "expected"),
    [
        (ews.models.ricker, {"flip"}),
        (ews.models.hopf, {"hopf"}),
        (ews.models.harvested_population, {"fold", "transcritical", "pitchfork"}),
        (ews.models.pitchfork, {"fold", "transcritical", "pitchfork"}),
    ],
)
def test_models_that_it_never_saw_are_recognised(simulate: object, expected: set[str]) -> None:
    many = simulate(n=400, replicates=30, seed=5)  # type: ignore[operator]
    last = int(np.searchsorted(many.time, many.transition))
    found = [classifier(row[:last], history=0, n_surrogates=0) for row in many.values]
    assert sum(one.bifurcation in expected for one in found) >= 27
    assert np.median([one.probability["null"] for one in found]) < 0.25


@pytest.mark.jit
def test_noise_is_not_taken_for_an_approach() -> None:
    found = [classifier(memory(300, 0.5, seed), history=0, n_surrogates=0) for seed in range(40)]
    assert np.median([one.probability["null"] for one in found]) > 0.75


@pytest.mark.jit
def test_result_and_prevalence() -> None:
    x = memory(120)
    even = classifier(x, history=5, n_surrogates=99)
    rare = classifier(x, history=5, n_surrogates=99, prevalence=0.01)
    assert sum(even.probability.values()) == pytest.approx(1.0)
    odds = (1 - even.probability["null"]) / even.probability["null"]
    shifted = (1 - rare.probability["null"]) / rare.probability["null"]
    assert shifted == pytest.approx(odds * 0.01 / 0.99)
    assert even.evidence == pytest.approx(np.log(odds))
    assert rare.pvalue == even.pvalue  # the test owes nothing to the prevalence
    assert even.pvalue == (1 + (even.surrogate_evidence >= even.evidence).sum()) / 100
    assert even.evidence == pytest.approx(evidence_of(even.residual.reshape(1, -1))[0])
    assert even.history_time[-1] == 119
    for name, values in even.history_probability.items():
        assert values[-1] == pytest.approx(even.probability[name], abs=1e-9)
    assert set(even.to_frame().columns) == set(CLASSES)
    json.dumps(even.to_dict(), allow_nan=False)
    assert "if 0.01 before" in rare.summary()


@pytest.mark.jit
def test_history_knows_nothing_of_the_future() -> None:
    x = memory(200)
    whole = classifier(x, history=11, n_surrogates=0)
    other = x.copy()
    other[160:] += 40.0
    changed = classifier(other, history=11, n_surrogates=0)
    early = whole.history_time < 160
    assert early.sum() >= 3
    for name in CLASSES:
        np.testing.assert_array_equal(whole.history_probability[name][early], changed.history_probability[name][early])
    assert (whole.history_probability["null"] != changed.history_probability["null"])[~early].all()


def test_what_cannot_be_used_is_refused() -> None:
    for n in (1, 20, 39):
        with pytest.raises(SeriesTooShortError, match="at least 40"):
            classifier(memory(n))
    with pytest.raises(ValueRangeError, match="prevalence"):
        classifier(memory(60), prevalence=1.0)
    with pytest.raises(ValueRangeError, match="history"):
        classifier(memory(60), history=-1)
    with pytest.raises(UnknownNameError, match="ar1"):
        classifier(memory(60), null="ar2")  # type: ignore[arg-type]
    with pytest.raises(ValueRangeError):
        classifier(np.ones(60))


def test_history_begins_where_season_and_bandwidth_allow() -> None:
    x = memory(120)
    assert classifier(x, season=40, n_surrogates=0).history_time.min() >= 79
    wide = classifier(x, detrend="lowess", bandwidth=100, n_surrogates=0)
    assert wide.history_time.min() >= 99
    for name, value in wide.probability.items():
        assert wide.history_probability[name][-1] == pytest.approx(value)


@pytest.mark.parametrize("detrend", ["linear", "difference"])
def test_rounding_is_not_classified(detrend: str) -> None:
    line = 5.0 + 0.1 * np.arange(100)
    with pytest.raises(ValueRangeError, match="series: got values that detrending leaves"):
        classifier(line, detrend=detrend, n_surrogates=0)
