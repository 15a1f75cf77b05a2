"""``transform=``: the scale on which a series is analysed, stated in the config and in the report's Data lines."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import ews
from ews._common.transforms import NAMES, name_of, transformed
from ews.cli.commands import app
from ews.errors import ArgumentError, InputTypeError, UnknownNameError, ValueRangeError

N = 120
NOISE = np.random.default_rng(3).standard_normal(N)
BIOMASS = 50.0 * np.exp(0.4 * NOISE)
NUMPY: dict[str, Any] = {
    "log": np.log,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "anscombe": lambda x: 2 * np.sqrt(x + 3 / 8),
}
FAST: dict[str, Any] = {"n_surrogates": 19}


def halved(values: Any) -> Any:
    return values / 2


class Cubed:
    def __call__(self, values: Any) -> Any:
        return values**3


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_numpys_function(name: str) -> None:
    before = BIOMASS.copy()
    found, note = transformed(BIOMASS, name)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, NUMPY[name](BIOMASS), rtol=1e-15)
    assert f"transform='{name}'" in note
    np.testing.assert_array_equal(BIOMASS, before)


VERBS: dict[str, Any] = {
    "detect": lambda x, **options: ews.detect(x, **FAST, **options),
    "detect kendall": lambda x, **options: ews.detect(x, method="kendall", **FAST, **options),
    "score tests": lambda x, **options: ews.score_tests(x, **FAST, **options),
    "composite": lambda x, **options: ews.composite(x, **FAST, **options),
    "sensitivity": lambda x, **options: ews.sensitivity(x, windows=[0.5], bandwidths=[0.2], **FAST, **options),
    "classifier": lambda x, **options: ews.bifurcations.classifier(x, history=2, **FAST, **options),
    "jacobian": lambda x, **options: ews.bifurcations.jacobian(x, n_surrogates=0, **options),
    "jumps": lambda x, **options: ews.bifurcations.jumps(x, **FAST, **options),
    "langevin": lambda x, **options: ews.bifurcations.langevin(x, **FAST, **options),
    "potential": lambda x, **options: ews.bifurcations.potential(x, n_bootstrap=5, **FAST, **options),
    "restoring": lambda x, **options: ews.bifurcations.restoring(x, n_bootstrap=5, **FAST, **options),
    "spectral": lambda x, **options: ews.bifurcations.spectral(x, n_surrogates=5, **options),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_with_a_transform_is_the_verb_on_transformed_values(verb: str) -> None:
    asked, by_hand = VERBS[verb](BIOMASS, transform="log"), VERBS[verb](np.log(BIOMASS))
    np.testing.assert_array_equal(asked.series.values, by_hand.series.values)
    assert asked.tau == by_hand.tau if hasattr(asked, "tau") and verb != "sensitivity" else True
    assert asked.config.transform == "log"
    assert by_hand.config.transform is None
    assert "transform='log'" in " ".join(asked.summary().split())
    assert json.loads(json.dumps(asked.to_dict()))["config"]["transform"] == "log"


def test_several_variables_are_transformed_each() -> None:
    table = pd.DataFrame({"a": BIOMASS, "b": BIOMASS[::-1] + 1.0})
    asked = ews.detect_multivariate(table, transform=np.log, **FAST)
    assert asked.tau == ews.detect_multivariate(np.log(table), **FAST).tau
    assert asked.config.transform == "numpy.log"
    assert "numpy.log" in asked.summary()
    with pytest.raises(ValueRangeError, match=r"'b'.*1 zero among 120"):
        ews.detect_multivariate(table.assign(b=table["b"].where(table.index > 0, 0.0)), transform="log", **FAST)


def test_collections_are_transformed_each() -> None:
    records = [np.exp(0.4 * np.random.default_rng(seed).standard_normal(60)) for seed in range(4)]
    options: dict[str, Any] = {"labels": [1, 0, 1, 0], "n_times": 1, "n_bootstrap": 20}
    asked = ews.evaluate(records, transform="log", **options)
    by_hand = ews.evaluate([np.log(one) for one in records], **options)
    for name, scores in asked.scores.items():
        np.testing.assert_array_equal(scores, by_hand.scores[name])
    assert asked.config.transform == "log"
    with pytest.raises(ValueRangeError, match="60 negative values"):
        ews.evaluate([-one for one in records], transform="log", **options)


def test_a_benchmark_is_transformed() -> None:
    options: dict[str, Any] = {
        "n": 60,
        "replicates": 3,
        "positives": "fold",
        "nulls": "constant",
        "n_times": 1,
        "n_bootstrap": 20,
    }
    found = ews.benchmark(transform="log1p", **options)
    assert found.config.transform == "log1p"
    assert found.to_dict()["config"]["transform"] == "log1p"
    with pytest.raises(ValueRangeError, match="white"):
        ews.benchmark(transform="log", **{**options, "nulls": "white"})


def test_a_monitor_transforms_what_it_sees_and_what_it_learned_from() -> None:
    reference, later = np.exp(NOISE), np.exp(np.random.default_rng(4).standard_normal(40))
    options: dict[str, Any] = {"window": 10, "bandwidth": 10, "indicators": "variance", "history": 10}
    asked, by_hand = ews.IndicatorMonitor(transform="log", **options), ews.IndicatorMonitor(**options)
    for monitor, values in ((asked, reference), (by_hand, np.log(reference))):
        monitor.calibrate(values, horizon=40, n_simulations=39)
    assert asked.calibration.thresholds == by_hand.calibration.thresholds  # type: ignore[union-attr]
    asked.update_many(later)
    by_hand.update_many(np.log(later))
    assert asked.state.indicators == by_hand.state.indicators  # type: ignore[union-attr]
    again = ews.IndicatorMonitor.from_dict(json.loads(json.dumps(asked.to_dict())))
    assert again.config == asked.config
    assert again.update(2.0).to_dict() == asked.update(2.0).to_dict()
    assert np.isnan(asked.update(None).value)
    with pytest.raises(ValueRangeError, match=r"^value: got 1 zero among 1 values"):
        asked.update(0.0)
    runs = np.exp(np.random.default_rng(5).standard_normal((100, 40)))
    assert asked.calibrate_on(runs).thresholds == by_hand.calibrate_on(np.log(runs)).thresholds


def test_a_monitors_function_is_saved_by_name_and_asked_for() -> None:
    saved = ews.IndicatorMonitor(window=10, transform=halved).to_dict()
    assert ews.IndicatorMonitor.from_dict(saved, transform=halved).config.transform == f"{__name__}.halved"
    for other in (None, np.log, "log"):
        with pytest.raises(ArgumentError, match="halved, the function that this monitor had"):
            ews.IndicatorMonitor.from_dict(saved, transform=other)
    old = ews.IndicatorMonitor(window=10).to_dict()
    del old["config"]["transform"]
    assert ews.IndicatorMonitor.from_dict(old).config.transform is None


def test_what_a_config_calls_a_function() -> None:
    assert name_of(None) is None
    assert name_of(np.sqrt) == "numpy.sqrt"
    assert name_of(halved) == f"{__name__}.halved"
    assert name_of(Cubed()) == f"{__name__}.Cubed"
    assert str(name_of(lambda x: x)).endswith("<lambda>")
    assert ews.detect(BIOMASS, transform=halved, **FAST).config.transform == f"{__name__}.halved"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("values", "transform", "said"),
    [
        ([1.0, 0.0, 2.0], "log", r"40 zeros among 120 values; allowed: values above 0 .*'log1p' takes zeros"),
        ([1.0, -0.5, 2.0], "log", r"40 negative values among 120 values; .*'log1p' takes values above -1"),
        ([1.0, 0.0, -2.0], "log1p", r"40 zeros and 40 negative values .* negative values have no such scale"),
        ([1.0, -3.0, 2.0], "sqrt", "40 negative values"),
        ([1.0, -3.0, 2.0], "anscombe", "40 negative values"),
    ],
)
def test_values_that_a_transform_does_not_allow_are_counted_and_something_else_is_named(
    values: list[float], transform: Any, said: str
) -> None:
    with pytest.raises(ValueRangeError, match=f"^series: got {said}"):
        ews.detect(np.array(values * 40), transform=transform, **FAST)


@pytest.mark.parametrize(
    ("transform", "error", "said"),
    [
        ("logg", UnknownNameError, "did you mean 'log'"),
        ("", UnknownNameError, "one of 'log'"),
        (3, InputTypeError, "or a function"),
        (["log"], InputTypeError, "or a function"),
        (True, InputTypeError, "or a function"),
        (lambda x: x[:3], ArgumentError, "shape"),
        (lambda _: "abc", ArgumentError, "real numbers"),
        (lambda x: x + 1j, ArgumentError, "real numbers"),
        (lambda _: None, ArgumentError, "real numbers"),
        (lambda _: 1 / 0, ArgumentError, "which raised ZeroDivisionError"),
        (lambda: 3, ArgumentError, "which raised TypeError"),
        (lambda x: np.log(x - 60), ArgumentError, "not finite"),
    ],
)
def test_what_is_no_transform_is_refused(transform: Any, error: type[ArgumentError], said: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(error, match=f"^transform: .*{said}"):
            ews.detect(BIOMASS, transform=transform, **FAST)


def test_a_transform_that_leaves_nothing_to_measure_is_refused() -> None:
    with pytest.raises(ValueRangeError, match="120 equal values"):
        ews.detect(BIOMASS, transform=np.zeros_like, **FAST)


def test_a_function_cannot_write_to_the_users_data() -> None:
    def writes(values: Any) -> Any:
        values[:] = np.log(values)
        return values

    before = BIOMASS.copy()
    assert ews.detect(BIOMASS, transform=writes, **FAST).tau == ews.detect(np.log(BIOMASS), **FAST).tau  # type: ignore[union-attr]
    np.testing.assert_array_equal(BIOMASS, before)


def test_the_command_line_takes_a_transform(tmp_path: Any) -> None:
    path = tmp_path / "catch.csv"
    pd.DataFrame({"catch": BIOMASS}).to_csv(path, index=False)
    done = CliRunner().invoke(app, ["detect", str(path), "--transform", "log", "--n-surrogates", "19", "--json", "-"])
    assert json.loads(done.stdout)["config"]["transform"] == "log"
    refused = CliRunner().invoke(app, ["detect", str(path), "--transform", "lgo"])
    assert refused.exit_code == 2
    assert "--transform: got 'lgo'" in refused.stderr
