"""What every detector of ``ews.bifurcations`` must do; a new one is tested here by being public.

What all share is checked by the signature and the result alone. What differs between them, and is no less binding,
stands in ``PROMISES``: which numbers have which unit, what the order of time moves, and what is measured in windows.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

import ews
from ews import bifurcations
from ews.errors import ArgumentError, UnknownNameError

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = settings(max_examples=6, deadline=None)
compiled = pytest.mark.jit  # searches and surrogates: minutes in plain Python

# A detector is a public function that takes a series.
DETECTORS: dict[str, Callable[..., Any]] = {
    name: value
    for name in bifurcations.__all__
    if inspect.isfunction(value := getattr(bifurcations, name))
    and next(iter(inspect.signature(value).parameters)) == "series"
}
NAMES = tuple(DETECTORS)


def parameters(name: str) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(DETECTORS[name]).parameters)


def options(name: str, *, random: bool, **more: object) -> dict[str, Any]:
    """Cheap options: few random series or none, and of `more` what the detector knows."""
    known = parameters(name)
    draws = {one: 19 if random else 0 for one in known if one in ("n_surrogates", "n_bootstrap")}
    return {**draws, **{one: value for one, value in more.items() if one in known}}


@dataclasses.dataclass(frozen=True)
class Promise:
    """What one detector says of its numbers.

    `units`: the power of the unit of the series, or "level" for values with its origin too → fields of the result (or
    of what is in them) that have it. `maps`: the affine maps a, b of the series under which that holds, within
    `tolerance`. `rises`: positive on the record `approach` makes of a seed, where a bifurcation of its kind comes
    nearer; with time turned round at most the share `backwards` of that, 0 where the sign turns. `timeless`: what the
    order of the observations leaves as it is. `windowed`: what stands at each sample and rests on earlier ones only.
    `model`: what the summary must name. `options`: what it is called with in these tests.
    """

    units: Mapping[int | str, str]
    rises: Callable[[Any], float]
    windowed: Callable[[Any], Mapping[str, np.ndarray]]
    model: tuple[str, ...]
    timeless: Callable[[Any], Mapping[str, Any]] = lambda _: {}
    approach: Callable[[int], np.ndarray] = lambda seed: memory(np.linspace(-0.2, 0.99, 500), seed)
    maps: tuple[tuple[float, float], ...] = ((3.0, 0.0), (1.0, -40.0), (1e-3, 1.0), (2.5e3, 1e4))
    tolerance: float = 1e-5
    backwards: float = 0.0
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def by_index(result: Any) -> dict[str, np.ndarray]:
    """Strided windows at the samples where they end."""
    full = {name: np.full(len(result.series), np.nan) for name in ("modulus", "real", "imaginary", "skill")}
    for name, row in full.items():
        row[result.index] = getattr(result, name)
    return full


def fields(*names: str) -> Callable[[Any], dict[str, np.ndarray]]:
    return lambda result: {name: getattr(result, name) for name in names}


def nothing(_: Any) -> dict[str, Any]:
    return {}


def trend(values: np.ndarray) -> float:
    return ews.trends.kendall(values[np.isfinite(values)]).statistic


PROMISES: dict[str, Promise] = {
    "classifier": Promise(
        units={
            0: "probability evidence pvalue surrogate_evidence history_probability",
            1: "residual",
            "level": "trend",
        },
        rises=lambda result: result.evidence,
        backwards=1.0,  # a system that moves away from a bifurcation may look like one too, but less
        windowed=nothing,  # what is classified on the way is the record so far, at times that depend on its length
        model=("perceptrons", "AR(1)", "no bifurcation", "fold", "Hopf"),
        options={"history": 4},
    ),
    "jacobian": Promise(
        units={
            0: "modulus real imaginary shares theta skill dimension delay approach tau pvalue modulus_tau",
            1: "residual",
            "level": "trend",
        },
        rises=lambda result: result.modulus_tau,
        windowed=by_index,
        model=("S-map", "E chosen in each window", "AR(1)"),
        options={"stride": 5},
    ),
    "jumps": Promise(
        units={
            0: "by_state.jump_intensity in_time.jump_intensity tau pvalue pvalue_adjusted surrogate_tau",
            1: "drift",
            2: "by_state.conditional_variance by_state.total_variance by_state.diffusion jump_variance",
            "level": "grid residual",
        },
        rises=lambda result: result.tau["total_variance"],
        approach=lambda seed: louder(200, seed),
        # Functions of the state come from the whole record: only detrending is without look-ahead.
        windowed=fields("trend", "residual"),
        model=("f(x) dt + g(x) dW + dJ", "Gaussian kernel", "AR(1)"),
        options={"points": 60},
    ),
    "langevin": Promise(
        units={
            0: "slope slope_lower slope_upper probability_unstable tau pvalue surrogate_tau",
            1: "residual noise noise_lower noise_upper",
            "level": "trend fixed_point",
        },
        rises=lambda result: result.tau,
        windowed=fields("slope", "slope_lower", "probability_unstable", "noise", "noise_upper", "fixed_point"),
        model=("h(x) dt + σ dW", "h cubic", "AR(1)"),
    ),
    "likelihood": Promise(
        # The distance to the bifurcation has the unit of the series, so that only its origin is free, and that only
        # where the noise does not follow the level.
        units={0: "null.log_likelihood ratio_towards ratio_free", "level": "null.level"},
        maps=((1.0, 40.0), (1.0, -1e3)),
        tolerance=1e-3,  # that of a search, where the likelihood is flat
        rises=lambda result: result.ratio_towards - 0.5 * result.ratio_free,  # which is the larger of both directions
        approach=lambda seed: slowing_down(300, seed),
        windowed=nothing,  # one fit to the whole record
        model=("Ornstein–Uhlenbeck", "saddle-node"),
        options={"noise": "additive"},
    ),
    "potential": Promise(
        units={
            0: "n_wells highest_barrier pvalue rolling_wells rolling_barrier",
            1: "kernel_bandwidth",
            -1: "density",
            "level": "wells saddles grid rolling_places residual",
        },
        rises=lambda result: trend(result.rolling_barrier),
        approach=lambda seed: flickering(200, seed),
        timeless=lambda result: {
            "wells": result.wells,
            "saddles": result.saddles,
            "density": result.density,
            "highest_barrier": result.highest_barrier,
            "windows": np.sort(result.rolling_barrier),  # the same windows, in the other order
        },
        windowed=fields("rolling_wells", "rolling_barrier", "rolling_places"),
        model=("U = -(σ²/2) ln f", "AR(1)"),
    ),
    "restoring": Promise(
        units={
            0: "rate tau pvalues surrogate_tau line line_uncorrected line_replicates time_to_threshold time_interval",
            1: "residual",
            "level": "trend",
        },
        rises=lambda result: result.tau,
        windowed=fields("rate"),
        model=("Δx = λ x + c + noise", "first-order autoregressive noise", "AR(1)", "random phases"),
    ),
    "spectral": Promise(
        units={
            0: "weight pvalue rolling_weight frequency parameters.fold.lambda",
            1: "parameters.fold.sigma residual",
            2: "power fitted",
            "level": "trend",
        },
        rises=lambda result: trend(-np.abs(result.rolling_parameters["fold"]["lambda"])),
        timeless=lambda result: {"kind": result.kind, "frequency": result.frequency},
        windowed=lambda result: result.rolling_weight,
        model=("Welch", "Hamming", "white noise", "fold", "flip", "Hopf"),
        options={"segment": 20},
    ),
}


def promised(name: str, *, random: bool = False, **more: object) -> dict[str, Any]:
    return {**PROMISES[name].options, **options(name, random=random, **more)}


# Series.


def memory(coefficients: np.ndarray, seed: int = 1) -> np.ndarray:
    """Autoregression whose coefficient changes in time."""
    x = np.random.default_rng(seed).standard_normal(coefficients.size)
    for t in range(1, x.size):
        x[t] += coefficients[t] * x[t - 1]
    return x


def red_noise(n: int = 80, coefficient: float = 0.6, seed: int = 3) -> np.ndarray:
    return 50.0 + memory(np.full(n, coefficient), seed)


def two_levels() -> np.ndarray:
    """Red noise about a level that jumps up and down."""
    return red_noise() + 3.0 * (np.arange(80) // 10 % 2)


def slowing_down(n: int, seed: int) -> np.ndarray:
    """A saddle-node comes nearer: the rate of return falls to 0, and the level with it."""
    substeps = 10
    root = np.sqrt(np.linspace(0.5, 1e-4, n * substeps))  # √R: half the rate, and the height above the fold
    noise = 0.1 * np.sqrt(1.0 / substeps) * np.random.default_rng(seed).standard_normal(root.size)
    state = np.empty(root.size)
    state[0] = root[0]
    for t in range(1, state.size):
        state[t] = state[t - 1] + 2.0 * root[t] * (root[t] - state[t - 1]) / substeps + noise[t]
    return 1.0 + state[substeps - 1 :: substeps]


def flickering(n: int, seed: int) -> np.ndarray:
    """One state, then two ever further apart."""
    rng = np.random.default_rng(seed)
    return np.linspace(0.0, 4.0, n) * rng.choice([-1.0, 1.0], n) + rng.standard_normal(n)


def louder(n: int, seed: int) -> np.ndarray:
    """A level that rises, and noise that rises with it."""
    level = np.linspace(0.0, 10.0, n)
    return level + (0.2 + 0.1 * level) * np.random.default_rng(seed).standard_normal(n)


DATES = pd.date_range("2001-03-01", periods=80, freq="D", name="day")


@functools.cache
def found(name: str) -> Any:
    """One result with all its tests, of a series with dates and a name."""
    return DETECTORS[name](pd.Series(two_levels(), index=DATES, name="lake"), **promised(name, random=True, seed=5))


# Comparing results, whatever is in them.


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Numbers, strings and arrays of a result, by their place in it."""
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from leaves(getattr(value, field.name), f"{path}.{field.name}".lstrip("."))
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from leaves(one, f"{path}.{key}".lstrip("."))
    else:
        yield path, value


def numbers(result: Any) -> dict[str, Any]:
    """All that was computed: everything but the series, its times and the choices."""
    others = ("series", "config", "time", "history_time")
    return {path: one for path, one in leaves(result) if path.partition(".")[0] not in others}


def same(ours: Any, theirs: Any) -> bool:
    try:
        assert_same(ours, theirs)
    except AssertionError:
        return False
    return True


def assert_same(ours: Any, theirs: Any, path: str = "", **tolerance: float) -> None:
    if isinstance(ours, str) or np.asarray(ours).dtype.kind not in "fiub":
        np.testing.assert_array_equal(ours, theirs, err_msg=path)
    elif tolerance:
        np.testing.assert_allclose(ours, theirs, err_msg=path, **tolerance)
    else:
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs), err_msg=path)


def assert_same_numbers(ours: Any, theirs: Any, **tolerance: float) -> None:
    first, second = numbers(ours), numbers(theirs)
    assert set(first) == set(second)
    for path, one in first.items():
        assert_same(one, second[path], path, **tolerance)


def at(result: Any, path: str) -> dict[str, Any]:
    """What stands at or below a path."""
    below = {one: value for one, value in leaves(result) if one == path or one.startswith(f"{path}.")}
    assert below, f"{path} is nowhere in {type(result).__name__}"
    return below


# The contract.


def test_every_detector_has_its_promise() -> None:
    assert set(PROMISES) >= set(NAMES)
    assert len(NAMES) >= 7


@pytest.mark.parametrize("name", NAMES)
def test_arguments_after_the_series_go_by_keyword(name: str) -> None:
    first, *others = parameters(name).values()
    assert first.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert {one.kind for one in others} == {inspect.Parameter.KEYWORD_ONLY}
    with pytest.raises(TypeError):
        DETECTORS[name](red_noise(), None)


@compiled
@pytest.mark.parametrize("name", NAMES)
def test_result_is_frozen_and_carries_every_choice(name: str) -> None:
    result = found(name)
    for part in (result, result.config):
        assert dataclasses.is_dataclass(part)
        field = dataclasses.fields(part)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(part, field, None)
    chosen = {field.name for field in dataclasses.fields(result.config)}
    assert set(parameters(name)) - {"series", "time", "progress"} <= chosen
    assert result.config.seed == 5
    assert type(result).__name__ in bifurcations.__all__
    assert type(result.config).__name__ in bifurcations.__all__


@compiled
@pytest.mark.parametrize("name", NAMES)
def test_its_choices_give_the_result_again(name: str) -> None:
    config = found(name).config
    again = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if field.name in parameters(name)
    }
    series = found(name).series
    assert_same_numbers(found(name), DETECTORS[name](series.values, time=series.time, **again))


@compiled
@pytest.mark.parametrize("name", NAMES)
def test_another_seed_draws_other_series(name: str) -> None:
    drawn = []
    for x in (two_levels(), red_noise()):  # a p-value as small as 19 surrogates allow is that of many seeds
        before, after = (numbers(DETECTORS[name](x, **promised(name, random=True, seed=seed))) for seed in (5, 6))
        drawn += [path for path in before if path in after and not same(before[path], after[path])]
    assert drawn


@compiled
@pytest.mark.parametrize("name", NAMES)
def test_any_number_of_threads_gives_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for threads in ("1", "2"):
        monkeypatch.setenv("EWS_NUM_THREADS", threads)
        results.append(DETECTORS[name](two_levels(), **promised(name, random=True, seed=5)))
    assert_same_numbers(*results)
    assert_same_numbers(results[0], found(name))  # and dates a day apart are a clock with step 1


@compiled
@pytest.mark.parametrize("name", NAMES)
def test_summary_names_model_null_and_numbers(name: str) -> None:
    result, text = found(name), found(name).summary()
    assert isinstance(text, str)
    words = " ".join(text.split())
    for part in (
        "'lake'",
        "80 observations from 2001-03-01 to 2001-05-19",
        "step 1",
        "seed 5",
        "19",
        *PROMISES[name].model,
    ):
        assert part in words, part
    for path, sentence in numbers(result).items():
        if path.endswith("_sentence") or path.startswith("null_sentences"):
            assert sentence.lower() in words.lower(), path
    assert re.search(r"\bp(-value)? ?[=<] ?\d|no p-value|p\b", words)
    assert len(re.findall(r"\d\.\d", words)) >= 6
    assert max(map(len, text.splitlines())) <= 120
    assert text == result.summary()


@compiled
@pytest.mark.parametrize("name", NAMES)
def test_plot_is_a_figure_that_pyplot_knows_nothing_of(name: str) -> None:
    import matplotlib as mpl
    from matplotlib import _pylab_helpers

    before, managers = dict(mpl.rcParams), dict(_pylab_helpers.Gcf.figs)
    figure = found(name).plot()
    assert isinstance(figure, Figure)
    assert len(figure.axes) >= 2
    assert figure.get_suptitle()
    assert all(axes.has_data() for axes in figure.axes)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=30)
    assert buffer.getbuffer().nbytes > 1000
    assert dict(mpl.rcParams) == before
    assert dict(_pylab_helpers.Gcf.figs) == managers


@compiled
@pytest.mark.parametrize("name", NAMES)
def test_to_dict_is_plain_and_whole(name: str) -> None:
    result = found(name)
    stored = result.to_dict()
    assert json.loads(json.dumps(stored, allow_nan=False)) == stored  # nothing that JSON would turn into another thing
    assert stored["earlywarning"] == ews.__version__
    assert stored["name"] == "lake"
    assert stored["time"][0].startswith("2001-03-01")
    assert stored["value"] == result.series.values.tolist()
    assert stored["notes"] == list(result.series.notes)
    assert set(stored["config"]) == {field.name for field in dataclasses.fields(result.config)}
    assert stored["config"]["seed"] == 5
    # Every field is in it, under its own name or without the ending that says what kind of text it is.
    short = {"series", "null_sentences", "residual", *(f"{one}_sentence" for one in ("null", "detrend", "bootstrap"))}
    missing = {field.name for field in dataclasses.fields(result)} - set(stored) - short
    assert not missing
    sentences = {key for key in stored if f"{key}_sentence" in short or f"{key}_sentences" in short}
    assert sentences >= {one.removesuffix("_sentence") for one in numbers(result) if one.endswith("_sentence")}


@compiled
@pytest.mark.parametrize("name", NAMES)
def test_the_users_array_is_left_alone(name: str) -> None:
    x = red_noise()
    kept = x.copy()
    result = DETECTORS[name](x, **promised(name, random=True))
    np.testing.assert_array_equal(x, kept)
    assert x.flags.writeable
    for path, one in leaves(result):
        assert not (isinstance(one, np.ndarray) and np.shares_memory(one, x)), path


@compiled
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["list", "pandas", "dates", "polars", "xarray"])
def test_takes_any_kind_of_series(name: str, kind: str) -> None:
    x = red_noise()
    carried = {
        "list": lambda: x.tolist(),
        "pandas": lambda: pd.Series(x),
        "dates": lambda: pd.Series(x, index=DATES, name="lake"),
        "polars": lambda: pl.Series("lake", x),
        "xarray": lambda: xr.DataArray(x, coords={"day": DATES.to_numpy()}, dims="day", name="lake"),
    }[kind]()
    plain, other = (DETECTORS[name](one, **promised(name)) for one in (x, carried))
    np.testing.assert_array_equal(other.series.values, x)
    assert other.series.name == (None if kind in ("list", "pandas") else "lake")
    assert (other.series.time.dtype.kind == "M") == (kind in ("dates", "xarray"))
    assert_same_numbers(plain, other)


@compiled
@EXAMPLES
@given(seed=st.integers(0, 10_000), coefficient=st.floats(-0.5, 0.9), which=st.integers(0, 3))
@pytest.mark.parametrize("name", NAMES)
def test_units_of_the_series_change_what_has_them_and_nothing_else(
    name: str, seed: int, coefficient: float, which: int
) -> None:
    promise = PROMISES[name]
    scale, shift = promise.maps[which % len(promise.maps)]
    x = red_noise(60, coefficient, seed)
    plain, other = (DETECTORS[name](one, **promised(name, window=30)) for one in (x, scale * x + shift))
    for unit, paths in promise.units.items():
        for place, value in ((place, one) for path in paths.split() for place, one in at(plain, path).items()):
            value = np.asarray(value, dtype=np.float64)
            expected = scale * value + shift if unit == "level" else scale ** float(unit) * value
            size = np.abs(expected[np.isfinite(expected)]).max(initial=scale if unit == "level" else 1e-9)
            near = promise.tolerance
            np.testing.assert_allclose(at(other, place)[place], expected, rtol=near, atol=near * size, err_msg=place)


@compiled
@pytest.mark.parametrize("name", NAMES)
def test_units_change_no_test(name: str) -> None:
    """Surrogates are fitted to the series, so that they scale with it."""
    promise = PROMISES[name]
    scale, shift = promise.maps[0]
    x = red_noise(60)
    plain, other = (DETECTORS[name](one, **promised(name, random=True, window=30)) for one in (x, scale * x + shift))
    tested = [path for path in numbers(plain) if re.match(r"pvalue|surrogate_tau|null_ratios", path)]
    assert tested
    for path in tested:
        assert_same(at(plain, path)[path], at(other, path)[path], path, rtol=1e-3, atol=1e-3)


@compiled
@EXAMPLES
@given(seed=st.integers(0, 10_000))
@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_time_turns_what_it_should_and_nothing_else(name: str, seed: int) -> None:
    promise = PROMISES[name]
    x = promise.approach(seed)
    forwards, backwards = (DETECTORS[name](one, **promised(name, detrend=None)) for one in (x, x[::-1].copy()))
    assert promise.rises(forwards) > 0
    assert promise.rises(backwards) < promise.backwards * promise.rises(forwards)
    there, back = promise.timeless(forwards), promise.timeless(backwards)
    for path, value in there.items():
        assert_same(value, back[path], path, **({} if isinstance(value, str) else {"rtol": 1e-9, "atol": 1e-12}))


@compiled
@EXAMPLES
@given(seed=st.integers(0, 10_000), coefficient=st.floats(-0.5, 0.9), cut=st.sampled_from([5, 10, 20]))
@pytest.mark.parametrize(
    ("name", "detrend"),
    [
        (name, one)
        for name in NAMES
        for one in (None, "linear", "gaussian")
        if one is None or "detrend" in parameters(name)
    ],
)
def test_the_past_does_not_know_the_future(
    name: str, detrend: str | None, seed: int, coefficient: float, cut: int
) -> None:
    x = red_noise(80, coefficient, seed)
    bandwidth = {"bandwidth": 15} if detrend == "gaussian" else {}
    chosen = promised(name, window=30, detrend=detrend, causal=True, **bandwidth)
    whole, past = DETECTORS[name](x, **chosen), DETECTORS[name](x[:-cut], **chosen)
    for place, values in PROMISES[name].windowed(past).items():
        np.testing.assert_array_equal(values, PROMISES[name].windowed(whole)[place][:-cut], err_msg=place)
    assert_same_numbers(past, DETECTORS[name](x, until=79 - cut, **chosen))  # and what is cut off is not looked at


BAD_DATA: dict[str, tuple[Any, dict[str, Any], str]] = {
    "NaN": (np.where(np.arange(80) == 40, np.nan, red_noise()), {}, "series"),
    "all NaN": (np.full(80, np.nan), {}, "series"),
    "inf": (np.where(np.arange(80) == 40, np.inf, red_noise()), {}, "series"),
    "constant": (np.full(80, 7.3), {}, "series"),
    "empty": ([], {}, "series"),
    "one value": ([1.0], {}, "series"),
    "too short": (red_noise(6), {}, "series"),
    "strings": (["a"] * 80, {}, "series"),
    "numbers as strings": (["1.0"] * 80, {}, "series"),
    "complex": (red_noise() + 1j, {}, "series"),
    "2-D": (red_noise().reshape(8, 10), {}, "series"),
    "table": (pd.DataFrame({"a": red_noise(), "b": red_noise()}), {}, "series"),
    "nothing": (None, {}, "series"),
    "mapping": ({"a": 1.0}, {}, "series"),
    "duplicated times": (red_noise(), {"time": np.r_[0.0, np.arange(79.0)]}, "time"),
    "too few times": (red_noise(), {"time": np.arange(79.0)}, "time"),
    "missing time": (red_noise(), {"time": np.r_[np.nan, np.arange(79.0)]}, "time"),
    "uneven times": (red_noise(), {"time": np.arange(80.0) ** 2}, "time"),
    "ends before it starts": (red_noise(), {"until": -1}, "until"),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data_are_refused_by_name(name: str, case: str) -> None:
    data, arguments, blamed = BAD_DATA[case]
    with pytest.raises(ArgumentError) as raised:
        DETECTORS[name](data, **options(name, random=True), **arguments)
    assert raised.value.argument == blamed
    assert str(raised.value).startswith(f"{blamed}: got ")
    assert "allowed: " in str(raised.value)


def choices(name: str) -> list[str]:
    """Options that take one of several names."""
    texts = {one: part.default for one, part in parameters(name).items()}
    return [one for one, default in texts.items() if isinstance(default, str)] + (
        ["detrend"] if texts.get("detrend", "") is None else []
    )


@pytest.mark.parametrize(("name", "option"), [(name, option) for name in NAMES for option in choices(name)])
def test_unknown_names_are_refused_with_the_nearest(name: str, option: str) -> None:
    right = parameters(name)[option].default or "linear"
    with pytest.raises(UnknownNameError, match=f"did you mean {right!r}") as raised:
        DETECTORS[name](red_noise(), **{option: right[:-1]})
    assert raised.value.argument == option
    for wrong in (3, b"linear", ["raise"], object()):
        with pytest.raises(ArgumentError) as raised:
            DETECTORS[name](red_noise(), **{option: wrong})
        assert raised.value.argument == option


BAD_NUMBERS: dict[str, tuple[Any, ...]] = {
    "n_surrogates": (-1, 1.5, "many", True, None),
    "n_bootstrap": (-1, 1.5, "many", True, None),
    "alpha": (0.0, 1.0, float("nan"), "0.05", None),
    "window": (0, -3, 81, 1.5, float("nan"), "half", None),
    "causal": ("yes", 1, None),
    "seed": (-1, 1.5, "seed"),
    "bandwidth": (-0.2, 0.0, float("nan"), "wide"),
    "season": (1, -2, 2.5, "year"),
}


@pytest.mark.parametrize(
    ("name", "option"), [(name, option) for name in NAMES for option in BAD_NUMBERS if option in parameters(name)]
)
def test_bad_numbers_are_refused_by_name(name: str, option: str) -> None:
    detrend = {"detrend": "gaussian"} if option == "bandwidth" else {}
    for wrong in BAD_NUMBERS[option]:
        with pytest.raises(ArgumentError) as raised:
            DETECTORS[name](red_noise(), **{**options(name, random=True), **detrend, option: wrong})
        assert raised.value.argument == option, wrong


# What is written about it.


def sections(text: str) -> dict[str, str]:
    """Parts of a numpydoc docstring."""
    heads = list(re.finditer(r"^(\w[\w ]*)\n-{3,}\n", inspect.cleandoc(text), re.M))
    whole = inspect.cleandoc(text)
    ends = [head.start() for head in heads[1:]] + [len(whole)]
    return {head[1]: whole[head.end() : end] for head, end in zip(heads, ends, strict=True)}


def described(section: str) -> set[str]:
    """Names at the margin of a section, several to a line where they share a description."""
    return {name.strip() for line in re.findall(r"^(\S.*?) : ", section, re.M) for name in line.split(",")}


@pytest.mark.parametrize("name", NAMES)
def test_docstring_tells_arguments_result_errors_sources_and_use(name: str) -> None:
    parts = sections(DETECTORS[name].__doc__ or "")
    assert set(parts) >= {"Parameters", "Returns", "Raises", "Notes", "References", "Examples"}
    assert described(parts["Parameters"]) == set(parameters(name))
    assert "series : array_like of shape (n,)" in parts["Parameters"]
    for option, part in parameters(name).items():
        if part.default is not inspect.Parameter.empty and part.default is not None:
            assert re.search(rf"^{option} : .*default ", parts["Parameters"], re.M), f"{option}: default"
    assert re.search(r"samples|observations", parts["Parameters"])
    assert "ews.errors." in parts["Raises"]
    assert re.search(r"\(\d{4}\)", parts["References"])
    assert f"ews.bifurcations.{name}(" in parts["Examples"]
    returned = parts["Returns"].split()[0]
    assert inspect.signature(DETECTORS[name]).return_annotation == returned
    fields = {field.name for field in dataclasses.fields(getattr(bifurcations, returned))}
    attributes = sections(getattr(bifurcations, returned).__doc__)["Attributes"]
    assert fields <= described(attributes)
    assert "ndarray of shape (" in attributes
    inner = [field.type for field in dataclasses.fields(getattr(bifurcations, returned))]
    inside = [getattr(bifurcations, one).__doc__ for one in inner if one in bifurcations.__all__]
    assert re.search(r"\bunits?\b", " ".join([attributes, *inside]))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_shown_documented_and_defined(name: str) -> None:
    example = ROOT / "examples" / "2-methods" / f"plot_{name}.py"
    for call in (f"bifurcations.{name}(", ".summary()", ".plot()"):
        assert call in example.read_text()
    page = (ROOT / "docs" / "api" / "bifurcations.rst").read_text()
    returned = inspect.signature(DETECTORS[name]).return_annotation
    members = rf" {{3}}ews\.bifurcations\.{name}\n {{3}}ews\.bifurcations\.{returned}\n"
    text = r"(?:[A-Z].*\n(?:\S.*\n)*\n)?"
    assert re.search(rf"^[A-Z].*\n-+\n\n{text}\.\. autosummary::\n(?: {{3}}:.*\n)*\n{members}", page, re.M)
    assert f"ews.bifurcations.{name}" in (ROOT / "docs" / "guide" / "definitions.rst").read_text()
