"""What every registered indicator must do; a new one is tested here by being registered."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable

import numpy as np
import pytest

import ews
from ews.errors import SeriesTooShortError, WindowError
from ews.indicators import registry
from ews.indicators.fused import Windows, fused
from tests.reference.indicator_oracles import ORACLE, STEP, WINDOW

NAMES = registry.names()
# Those with a public function of their own; the contract of the others is the registry's alone.
PUBLIC = [name for name in NAMES if hasattr(ews, registry.get(name).function or name)]


def autoregression(rows: int, n: int, phi: float = 0.9, seed: int = 7) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, n))
    for t in range(1, n):
        x[:, t] += phi * x[:, t - 1]
    return x


def measure(name: str, x: np.ndarray, window: int = WINDOW, min_count: int | None = None) -> np.ndarray:
    return ews.rolling(x, window=window, indicators=name, step=STEP, min_count=min_count)[name]


def definition(name: str, w: np.ndarray) -> float:
    """The oracle's value of one window."""
    if name not in ORACLE:
        pytest.fail(f"{name!r} has no oracle: add its definition to ORACLE of tests/reference/indicator_oracles.py")
    return ORACLE[name](w)


def public_function(name: str) -> Callable[..., np.ndarray]:
    """The function of ``ews`` with the options under which it is the indicator."""
    indicator = registry.get(name)
    function = getattr(ews, indicator.function or name)
    step = {"step": STEP} if "step" in inspect.signature(function).parameters else {}
    return functools.partial(function, **indicator.options, **step)


def test_every_indicator_has_an_oracle() -> None:
    """Add it to ``tests/reference/indicator_oracles.py``."""
    assert set(ORACLE) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_its_definition(name: str) -> None:
    x = autoregression(2, 70) + 3.0
    values = measure(name, x)
    for row in range(2):
        for t in range(WINDOW - 1, 70):
            expected = definition(name, x[row, t - WINDOW + 1 : t + 1])
            np.testing.assert_allclose(values[row, t], expected, rtol=1e-8, err_msg=f"{row}, {t}")


@pytest.mark.parametrize("name", NAMES)
def test_skips_missing_samples_where_asked(name: str) -> None:
    x = autoregression(1, 60)[0] + 3.0
    x[[3, 25, 26, 40]] = np.nan
    least = 15
    values = measure(name, x, min_count=least)
    for t in range(60):
        w = x[max(0, t - WINDOW + 1) : t + 1]
        if np.isfinite(w).sum() < least or (
            registry.get(name).gaps == "break" and (w.size < WINDOW or np.isnan(w).any())
        ):
            assert np.isnan(values[t]), t
        else:
            np.testing.assert_allclose(values[t], definition(name, w), rtol=1e-8, err_msg=str(t))


@pytest.mark.parametrize("name", NAMES)
def test_infinite_sample_blanks_its_windows_even_where_gaps_are_skipped(name: str) -> None:
    x = autoregression(1, 60)[0] + 3.0
    x[30] = np.inf
    values = measure(name, x, min_count=5)
    assert np.isnan(values[30 : 30 + WINDOW]).all()
    assert np.isfinite(values[30 + WINDOW :]).all()
    assert np.isfinite(values[WINDOW - 1 : 30]).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(50,), (3, 50), (2, 3, 50)])
def test_shape_type_and_blank_start(name: str, shape: tuple[int, ...]) -> None:
    x = autoregression(int(np.prod(shape[:-1])), 50).reshape(shape)
    kept = x.copy()
    values = measure(name, x)
    assert values.shape == shape
    assert values.dtype == np.float64
    assert np.isnan(values[..., : WINDOW - 1]).all()
    assert np.isfinite(values[..., WINDOW - 1 :]).any()
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize("name", PUBLIC)
def test_time_may_be_any_axis(name: str) -> None:
    x = autoregression(3, 50)
    along_last = public_function(name)(x, window=WINDOW)
    along_first = public_function(name)(x.T, window=WINDOW, axis=0)
    np.testing.assert_array_equal(along_first, along_last.T)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_function_is_the_registered_indicator(name: str) -> None:
    x = autoregression(2, 50)
    values = public_function(name)(x, window=WINDOW)
    np.testing.assert_array_equal(values, measure(name, x))
    x[0, [3, 40]] = np.nan
    for least in (None, 15):
        with_gaps = public_function(name)(x, window=WINDOW, min_count=least)
        np.testing.assert_array_equal(
            with_gaps,
            measure(name, x, min_count=least),
            err_msg="with gaps; one that gaps break hands Indicator.measured to building.measure, not compute",
        )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 33, 59])
def test_bad_sample_blanks_only_its_windows(name: str, bad: float, place: int) -> None:
    x = autoregression(1, 60)[0]
    whole = measure(name, x)
    assert np.isfinite(whole[WINDOW - 1 :]).all()
    x[place] = bad
    values = measure(name, x)
    hit = np.arange(60)[(np.arange(60) >= place) & (np.arange(60) < place + WINDOW)]
    assert np.isnan(values[hit]).all()
    others = np.setdiff1d(np.arange(60), hit)
    np.testing.assert_allclose(values[others], whole[others], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_window_knows_nothing_of_the_future(name: str) -> None:
    x = autoregression(2, 60)
    later = x.copy()
    later[:, 40:] = 1e3 * autoregression(2, 20, seed=8)
    values = measure(name, x)
    for known in (later, x[:, :40].copy()):
        np.testing.assert_allclose(values[:, :40], measure(name, known)[:, :40], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_measured_alone(name: str) -> None:
    x = autoregression(5, 60)
    x[2, 20] = np.nan  # a broken row must not touch its neighbours
    together = measure(name, x)
    for row in range(5):
        np.testing.assert_array_equal(together[row], measure(name, x[row]))


@pytest.mark.parametrize("name", NAMES)
def test_same_in_one_pass_with_all_others(name: str) -> None:
    x = autoregression(2, 60)
    everything = ews.rolling(x, window=WINDOW, indicators=NAMES, step=STEP)
    assert tuple(everything) == NAMES
    np.testing.assert_allclose(everything[name], measure(name, x), rtol=1e-12)


def test_fused_gives_the_order_asked_for() -> None:
    x = autoregression(2, 60)
    order = NAMES[::-1]
    values = fused(x, window=WINDOW, indicators=[registry.get(name) for name in order], step=STEP)
    for name, value in zip(order, values, strict=True):
        np.testing.assert_allclose(value, measure(name, x), rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_twice_the_same(name: str) -> None:
    x = autoregression(2, 60)
    np.testing.assert_array_equal(measure(name, x), measure(name, x))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("level", [0.0, 7.3, -1e8])
def test_constant_series(name: str, level: float) -> None:
    values = measure(name, np.full(40, level))[WINDOW - 1 :]
    expected = {"level": level, "zero": 0.0, "undefined": np.nan}[registry.get(name).constant]
    if level == 0.0 and registry.get(name).scale == "invariant":
        expected = np.nan  # no relative measure of nothing
    np.testing.assert_array_equal(values, expected)  # exactly: nothing varies


@pytest.mark.parametrize("name", NAMES)
def test_shortest_window_is_usable_and_no_shorter_is(name: str) -> None:
    x = autoregression(1, 40)[0]
    shortest = registry.get(name).shortest_window
    values = measure(name, x, window=shortest)
    assert np.isnan(values[: shortest - 1]).all()
    assert np.isfinite(values[shortest - 1 :]).any()
    with pytest.raises(WindowError, match="window"):
        measure(name, x, window=shortest - 1)
    if name in PUBLIC:
        with pytest.raises(WindowError, match="window"):
            public_function(name)(x, window=shortest - 1)


@pytest.mark.parametrize("name", PUBLIC)
def test_series_shorter_than_the_shortest_window(name: str) -> None:
    shortest = registry.get(name).shortest_window
    with pytest.raises(SeriesTooShortError, match="x: got"):
        public_function(name)(np.ones(shortest - 1), window=shortest)


@pytest.mark.parametrize("name", NAMES)
def test_window_of_the_whole_series(name: str) -> None:
    x = autoregression(1, 40)[0]
    values = measure(name, x, window=40)
    assert np.isnan(values[:-1]).all()
    assert np.isfinite(values[-1])


@pytest.mark.parametrize("name", NAMES)
def test_all_missing_gives_all_missing(name: str) -> None:
    assert np.isnan(measure(name, np.full(40, np.nan))).all()
    assert np.isnan(measure(name, np.full(40, np.nan), min_count=5)).all()


@pytest.mark.parametrize("name", NAMES)
def test_metadata_is_complete(name: str) -> None:
    indicator = registry.get(name)
    assert indicator.name == name
    assert indicator.label[0].isupper()
    assert indicator.alarm in ("up", "down", "both")
    assert indicator.scale in ("invariant", "linear", "quadratic", "none")
    assert indicator.mirror in ("invariant", "flips", "none")
    assert isinstance(indicator.shift, bool)
    assert indicator.shortest_window >= 1
    assert indicator.reference.strip()


@pytest.mark.parametrize("name", NAMES)
def test_shift_scale_and_mirror_do_what_was_registered(name: str) -> None:
    """On one series; ``tests/property`` looks for one on which they do not."""
    indicator = registry.get(name)
    x = np.round(4.0 * (autoregression(2, 70) + 3.0)) / 4.0  # exact in what follows, and with ties
    values = measure(name, x)

    def same(other: np.ndarray) -> bool:
        return np.allclose(other, values, rtol=1e-3, atol=1e-6, equal_nan=True)

    assert same(measure(name, x + 256.0)) is indicator.shift
    eightfold, mirrored = measure(name, 8.0 * x), measure(name, -x)
    scales = {"invariant": 1.0, "linear": 8.0, "quadratic": 64.0}
    assert [kind for kind, times in scales.items() if same(eightfold / times)] == (
        [] if indicator.scale == "none" else [indicator.scale]
    )
    mirrors = {"invariant": 1.0, "flips": -1.0}
    assert [kind for kind, sign in mirrors.items() if same(sign * mirrored)] == (
        [] if indicator.mirror == "none" else [indicator.mirror]
    )


@pytest.mark.parametrize("name", NAMES)
def test_only_named_moments_are_computed_beforehand(name: str) -> None:
    """The one pass must hold what the indicator uses: a moment asked for later costs a pass of its own."""
    x = autoregression(1, 60)
    indicator = registry.get(name)
    windows = Windows(x, window=WINDOW, moments=indicator.moments)
    indicator.compute(windows)
    assert set(windows._moments) == set(indicator.moments)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_function_is_documented(name: str) -> None:
    text = getattr(ews, registry.get(name).function or name).__doc__ or ""
    for section in ("Parameters", "Returns", "Raises", "Examples", ">>> "):
        assert section in text, section


@pytest.mark.parametrize("name", NAMES)
def test_slowing_down_moves_it_in_the_direction_of_alarm_or_not_at_all(name: str) -> None:
    indicator = registry.get(name)
    fast, slow = (measure(name, autoregression(20, 200, phi) + 50.0, window=200)[:, -1] for phi in (0.3, 0.95))
    rise = (np.median(slow) - np.median(fast)) / np.hypot(np.std(slow), np.std(fast))
    if indicator.alarm == "both" or not indicator.slowing:
        assert abs(rise) < 1.0, "slowing down moves it: it has a direction, and slowing=True"
    else:
        assert (rise > 0.0) == (indicator.alarm == "up")
