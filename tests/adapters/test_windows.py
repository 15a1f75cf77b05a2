"""Windowed statistics in torch equal those of ``ews``, for any input, and never ask the device for a value."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import adapters.windows
import ews
from adapters.windows import STATISTICS, Window, covariance_share, last, last_on_host, rolling
from ews.errors import InputTypeError, UnknownNameError, ValueRangeError, WindowError

SHORTEST = {"mean": 1, "variance": 2, "trend": 2, "ac1": 3, "skewness": 3}
STEPS = 23


def records() -> dict[str, Tensor]:
    """Records of shape (rows, steps), named for what is hard about them."""
    rng = np.random.default_rng(11)
    noise = rng.standard_normal((3, STEPS))
    found = {
        "noise": noise,
        "walk": noise.cumsum(1),
        "offset of 1e6": noise + 1e6,
        "offset of 1e8": noise + 1e8,
        "offset of 1e8, spread of 1e-4": noise * 1e-4 + 1e8,
        "spike": np.where(np.arange(STEPS) == 9, 1e8, noise),
        "steps": noise + 1e4 * (np.arange(STEPS) >= 12) - 1e3 * (np.arange(STEPS) >= 5),
        "line": np.arange(STEPS) * np.array([[1.0], [-0.25], [1e5]]),
        "constant": np.full((2, STEPS), 0.1),
        "constant but for one": np.where(np.arange(STEPS) == 11, 3.0, np.full((1, STEPS), 0.1)),
        "constant, then noise": np.where(np.arange(STEPS) < 12, 1e5, noise),
        "tiny": noise * 1e-30,
        "huge": noise * 1e30,
        "NaN": np.where(np.arange(STEPS) == 8, np.nan, noise),
        "infinity": np.where(np.arange(STEPS) == 8, np.inf, noise),
        "infinities of both signs": np.where(np.isin(np.arange(STEPS), (7, 9)), [[np.inf], [-np.inf], [np.inf]], noise),
        "infinity at both ends": np.where(np.isin(np.arange(STEPS), (0, STEPS - 1)), -np.inf, noise),
        "nothing but NaN": np.full((1, STEPS), np.nan),
    }
    return {name: torch.from_numpy(values) for name, values in found.items()}


RECORDS = records()


def fitting(window: int) -> tuple[str, ...]:
    return tuple(name for name in STATISTICS if SHORTEST[name] <= window)


def trend(x: np.ndarray, window: int) -> np.ndarray:
    """Slope of each window by numpy.polyfit, of what is left after its middle value is taken off."""
    out = np.full(x.shape, np.nan)
    for row, values in enumerate(x):
        for end in range(window - 1, values.size):
            piece = values[end - window + 1 : end + 1]
            if np.isfinite(piece).all():
                out[row, end] = np.polyfit(np.arange(window), piece - piece[window // 2], 1)[0]
    return out


def reference(x: Tensor, window: int) -> dict[str, np.ndarray]:
    values = x.to(torch.float64).numpy()
    names = fitting(window)
    known = [name for name in names if name != "trend"]
    found = dict(ews.rolling(values, window=window, indicators=known))
    if "trend" in names:
        found["trend"] = trend(values, window)
    return found


def assert_equal(actual: Tensor, expected: np.ndarray, *, scale: float = 1.0, rtol: float = 1e-10) -> None:
    """Within 1e-10, relative, or of `scale` where a value is near 0; NaN at the same places."""
    np.testing.assert_allclose(actual.numpy(), expected, rtol=rtol, atol=1e-12 * scale)


def spread(x: Tensor) -> float:
    finite = x[x.isfinite()].to(torch.float64)
    return float(finite.max() - finite.min()) if len(finite) else 1.0


def exact(window: list[float]) -> dict[str, float]:
    """All statistics of one window in whole-number arithmetic; rounding happens in the last step only."""
    values = [Fraction(value) for value in window]
    n = len(values)

    def centred(some: list[Fraction]) -> list[Fraction]:
        return [value - sum(some) / len(some) for value in some]

    d, later, earlier = centred(values), centred(values[1:]), centred(values[:-1])
    m2, m3 = sum(v**2 for v in d), sum(v**3 for v in d)
    across = sum(a * b for a, b in zip(later, earlier, strict=True))
    both = sum(a**2 for a in later) * sum(b**2 for b in earlier)
    step = centred([Fraction(k) for k in range(n)])
    slope = sum(k * v for k, v in zip(step, values, strict=True)) / sum(k**2 for k in step)
    g1 = math.sqrt(n) * float(m3) / float(m2) ** 1.5 if m2 else math.nan
    return {
        "mean": float(sum(values) / n),
        "variance": float(m2 / (n - 1)),
        "ac1": math.copysign(math.sqrt(across**2 / both), across) if both else math.nan,
        "skewness": math.sqrt(n * (n - 1)) / (n - 2) * g1,
        "trend": float(slope),
    }


# ---- against ews ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [1, 2, 3, 4, 5, 8, 12, STEPS - 1, STEPS])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("record", RECORDS)
def test_equals_ews(record: str, dtype: torch.dtype, window: int) -> None:
    x = RECORDS[record].to(dtype)
    found = rolling(x, window=window, statistics=fitting(window))
    expected = reference(x, window)
    assert list(found) == list(fitting(window))
    for name, values in found.items():
        assert values.dtype == torch.float64
        scale = spread(x) if name in ("mean", "trend") else 1.0 if name != "variance" else 0.0
        assert_equal(values, expected[name], scale=scale)


@pytest.mark.parametrize("window", range(1, STEPS + 1))
def test_equals_ews_in_every_window_length(window: int) -> None:
    x = RECORDS["walk"].to(torch.float32) + 1e3
    found = rolling(x, window=window, statistics=fitting(window))
    for name, expected in reference(x, window).items():
        assert_equal(found[name], expected, scale=10.0)


@st.composite
def panels(draw: st.DrawFn) -> tuple[Tensor, int]:
    """A few short rows of any float32, with repetitions, gaps and infinities."""
    rows, steps = draw(st.integers(1, 3)), draw(st.integers(3, 12))
    usual = draw(st.lists(st.floats(width=32, allow_subnormal=False), min_size=1, max_size=4))
    value = st.one_of(st.sampled_from(usual), st.floats(-10, 10, width=32), st.sampled_from([0.0, 1.0, 1e6, math.nan]))
    numbers = draw(st.lists(value, min_size=rows * steps, max_size=rows * steps))
    return torch.tensor(numbers, dtype=torch.float32).view(rows, steps), draw(st.integers(3, steps))


@given(panel=panels())
@settings(max_examples=150)
def test_equals_ews_for_any_float32(panel: tuple[Tensor, int]) -> None:
    x, window = panel
    names = ("mean", "variance", "ac1", "skewness")
    found = rolling(x, window=window, statistics=names)
    expected = ews.rolling(x.to(torch.float64).numpy(), window=window, indicators=names)
    for name in names:
        assert_equal(found[name], expected[name], scale=spread(x) if name == "mean" else 1.0)


@given(panel=panels())
@settings(max_examples=60)
def test_equals_exact_arithmetic(panel: tuple[Tensor, int]) -> None:
    x, window = panel
    found = last(x[:, :window], statistics=STATISTICS)
    for row, values in zip(x[:, :window].tolist(), found, strict=True):
        if not all(map(math.isfinite, row)):
            assert values.isnan().all()
            continue
        size = max(row) - min(row)
        for name, value in zip(STATISTICS, values, strict=True):
            scale = size if name == "trend" else max(map(abs, row)) if name == "mean" else 1.0
            assert float(value) == pytest.approx(exact(row)[name], rel=1e-12, abs=1e-14 * scale, nan_ok=True), name


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.int32])
def test_narrow_types_are_read_exactly(dtype: torch.dtype) -> None:
    x = (50 * RECORDS["noise"] + 300).to(dtype)
    found, expected = rolling(x, window=6), rolling(x.to(torch.float64), window=6)
    for name, values in found.items():
        assert torch.equal(values[:, 5:], expected[name][:, 5:])
        assert values[:, :5].isnan().all()


def test_an_offset_of_a_million_costs_no_digits() -> None:
    # Multiples of 1/8: around 2^20, too, float32 holds them exactly.
    x = (RECORDS["noise"] * 8).round() / 8
    near, far = last(x.to(torch.float32)), last((x + 2.0**20).to(torch.float32))
    torch.testing.assert_close(far, near, rtol=1e-14, atol=1e-15)


def test_constant_windows() -> None:
    x = torch.full((1, 8), 0.1)
    assert last(x, statistics=("variance", "trend")).tolist() == [[0.0, 0.0]]
    assert last(x, statistics="mean").item() == x[0, 0].to(torch.float64).item()
    assert last(x, statistics=("ac1", "skewness")).isnan().all()


@pytest.mark.parametrize("place", [0, -1])
def test_no_autocorrelation_where_only_an_end_differs(place: int) -> None:
    x = torch.full((1, 7), 0.1)
    x[0, place] = 1e30
    variance, ac1 = last(x, statistics=("variance", "ac1"))[0]
    assert variance > 0
    assert ac1.isnan()


@given(seed=st.integers(0, 2**32 - 1), window=st.integers(3, 9))
@settings(max_examples=40)
def test_a_correlation_is_never_above_one(seed: int, window: int) -> None:
    rng = np.random.default_rng(seed)
    slope = torch.from_numpy(rng.standard_normal((200, 1)))
    ac1 = last(slope * torch.arange(window) + slope.flip(0), statistics="ac1")
    assert ac1.max() <= 1.0
    assert ac1.min() > 1 - 1e-12


@pytest.mark.parametrize("dim", [0, 1, 2, -1, -2, -3])
def test_steps_along_any_dimension(dim: int) -> None:
    x = torch.from_numpy(np.random.default_rng(2).standard_normal((7, 6, 5)))
    for name, values in rolling(x, window=4, dim=dim).items():
        assert values.shape == x.shape
        expected = rolling(x.movedim(dim, -1).reshape(-1, x.shape[dim]), window=4)[name]
        np.testing.assert_allclose(values.movedim(dim, -1).reshape(expected.shape), expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("at_once", [1, 7, 40, 200, 10**6])
def test_pieces_of_any_size_give_the_same(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = rolling(RECORDS["NaN"], window=5)
    sizes = []

    def watched(windows: Tensor, plan: object) -> Tensor:
        sizes.append(windows.numel())
        return evaluate(windows, plan)

    evaluate = adapters.windows._evaluate
    monkeypatch.setattr("adapters.windows._evaluate", watched)
    monkeypatch.setattr("adapters.windows._AT_ONCE", at_once)
    for name, values in rolling(RECORDS["NaN"], window=5).items():
        assert_equal(values, expected[name].numpy(), rtol=1e-13)
    assert sum(sizes) == RECORDS["NaN"].shape[0] * (STEPS - 4) * 5
    assert max(sizes) <= max(at_once, 5)


def test_no_rows() -> None:
    assert rolling(torch.empty(0, 9), window=4)["ac1"].shape == (0, 9)
    assert last(torch.empty(0, 9)).shape == (0, 4)


def test_nothing_given_is_changed() -> None:
    for name, x in RECORDS.items():
        before = x.clone()
        rolling(x, window=5)
        last(x)
        covariance_share(x.unsqueeze(-1))
        assert torch.equal(x.nan_to_num(1.5), before.nan_to_num(1.5)), name


# ---- one window a row ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statistics", [STATISTICS, STATISTICS[:2], ("mean", "variance", "ac1", "skewness", "trend"), ("trend",), "ac1"]
)
def test_last_is_the_end_of_rolling_in_the_order_asked_for(statistics: str | tuple[str, ...]) -> None:
    x = RECORDS["walk"]
    found = last(x[:, -8:], statistics=statistics)
    expected = rolling(x, window=8, statistics=statistics)
    np.testing.assert_allclose(found, torch.stack([values[:, -1] for values in expected.values()], 1), rtol=1e-12)


@pytest.mark.parametrize("length", [2, 3, 4, 9])
def test_last_on_the_host_is_last(length: int) -> None:
    x = torch.randn(40, length, generator=torch.Generator().manual_seed(length), dtype=torch.float64)
    x[0], x[1], x[2, 0], x[3, -1], x[4, 1:] = 7.0, x[1] * 1e6 + 1e9, torch.nan, torch.inf, 1.0
    for names in (("variance", "trend"), ("trend", "mean"), STATISTICS if length > 2 else ("mean",)):
        given = x.numpy().copy()
        found = last_on_host(given, statistics=names)
        torch.testing.assert_close(
            torch.from_numpy(found), last(x, statistics=names), rtol=1e-9, atol=1e-12, equal_nan=True
        )
        assert np.array_equal(given, x.numpy(), equal_nan=True)
    with pytest.raises(WindowError):
        last_on_host(x.numpy()[:, :1], statistics=("variance",))


def test_the_usual_statistics() -> None:
    x = RECORDS["walk"][:, :8]
    assert torch.equal(last(x), last(x, statistics=("variance", "ac1", "skewness", "trend")))


class Calls(TorchDispatchMode):
    """Notes the operators that compute something; a view costs no kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if not func.is_view:
            self.names.append(func.overloadpacket.__name__)
        return func(*args, **kwargs or {})


def test_a_decoding_step_takes_few_operators() -> None:
    x = RECORDS["noise"][:, :8].to(torch.float32)
    last(x)
    with Calls() as calls:
        last(x)
    assert len(calls.names) <= 12, calls.names
    last(x, statistics=STATISTICS)
    with Calls() as calls:
        last(x, statistics=STATISTICS)
    assert len(calls.names) <= 13, calls.names


# ---- step by step --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [None, torch.float32])
@pytest.mark.parametrize("length", [3, 4, 8])
@pytest.mark.parametrize("record", ["walk", "offset of 1e8", "constant, then noise", "NaN", "infinity"])
def test_pushed_steps_equal_the_batch(record: str, length: int, dtype: torch.dtype | None) -> None:
    x = RECORDS[record].to(torch.float32)
    expected = rolling(x, window=length, statistics=STATISTICS)
    window = Window(len(x), window=length, statistics=STATISTICS, dtype=dtype)
    for step in range(STEPS):
        window.push(x[:, step])
        found = window.statistics()
        assert found.shape == (len(x), 1, len(STATISTICS))
        for place, name in enumerate(STATISTICS):
            assert_equal(found[:, 0, place], expected[name][:, step].numpy(), rtol=1e-12)


def test_several_signals_of_a_row() -> None:
    x = torch.from_numpy(np.random.default_rng(3).standard_normal((4, 2, 9)))
    window = Window(4, window=5, signals=2)
    for step in range(9):
        window.push(x[:, :, step])
    np.testing.assert_allclose(window.statistics(), last(x[:, :, -5:].reshape(8, 5)).view(4, 2, 4), rtol=1e-12)


def test_a_reset_row_starts_anew_and_the_others_go_on() -> None:
    x = RECORDS["walk"]
    window = Window(3, window=4)
    again = torch.tensor([False, True, False])
    for step in range(6):
        window.push(x[:, step])
    window.reset(again)
    for step in range(6, 12):
        window.push(x[:, step])
        found = window.statistics()[:, 0]
        assert bool(found[1].isnan().all()) == (step < 9)
        np.testing.assert_allclose(found[~again], last(x[~again, step - 3 : step + 1]), rtol=1e-12)
    np.testing.assert_allclose(found, last(x[:, 8:12]), rtol=1e-12)
    window.reset()
    assert window.statistics().isnan().all()


def test_what_was_pushed_is_a_copy_without_its_graph() -> None:
    values = torch.zeros(2, requires_grad=True)
    window = Window(2, window=2, statistics=("mean",))
    window.push(values)
    window.push(values)
    with torch.no_grad():
        values.fill_(7.0)
    found = window.statistics()
    assert found.flatten().tolist() == [0.0, 0.0]
    assert not found.requires_grad


def test_values_are_kept_in_the_type_asked_for() -> None:
    window = Window(1, window=2, statistics="mean", dtype=torch.bfloat16)
    for value in (1.0, 1.001):
        window.push(torch.tensor([value]))
    assert window.statistics().item() == 1.0  # bfloat16 has no 1.001


# ---- several variables ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("length", "width"), [(2, 5), (3, 2), (8, 24), (12, 3)])
def test_share_equals_ews(length: int, width: int, dtype: torch.dtype) -> None:
    rng = np.random.default_rng(length)
    states = torch.from_numpy(rng.standard_normal((20, length, width)) * np.arange(1, width + 1)).to(dtype)
    states[:5] += 100
    states[5:10] *= 1e10
    if dtype == torch.float64:
        states[10:15] += 1e9
    found = covariance_share(states)
    expected = [ews.multivariate.covariance_share(one.to(torch.float64).numpy(), window=length)[-1] for one in states]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_share_of_equal_and_of_nearly_equal_eigenvalues() -> None:
    corners = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], dtype=torch.float64)
    for excess in (0.0, 1e-12, 1e-10, 1e-9, 1e-8, 1e-4):
        found = covariance_share(
            (corners * torch.tensor([math.sqrt(1 + excess), 1.0], dtype=torch.float64)).unsqueeze(0)
        )
        np.testing.assert_allclose(found, (1 + excess) / (2 + excess), rtol=1e-10)


def test_share_of_windows_without_one() -> None:
    states = torch.from_numpy(np.random.default_rng(5).standard_normal((6, 6, 4)))
    states[1] = 0.1
    states[2, 0, 3] = math.nan
    states[3, 5, 0] = -math.inf
    states[4, 3, 1] = math.inf  # the middle step, which is taken off
    assert covariance_share(states).isnan().tolist() == [False, True, True, True, True, False]


@pytest.mark.parametrize("length", [2, 3, 8])
def test_a_share_of_all_is_one_and_never_more(length: int) -> None:
    rng = np.random.default_rng(6)
    along = rng.standard_normal((200, length, 1)) * rng.standard_normal((200, 1, 5))
    shares = covariance_share(torch.from_numpy(along))
    assert shares.max() <= 1.0
    assert shares.min() > 1 - 1e-12


# ---- on a device ---------------------------------------------------------------------------------------------------


def test_no_value_is_asked_for() -> None:
    # Tensors on "meta" have no values, so that whatever looks at one raises.
    x = torch.empty(3, 9, device="meta")
    assert rolling(x, window=4)["ac1"].shape == (3, 9)
    assert last(x, statistics=("mean", "trend")).shape == (3, 2)
    assert covariance_share(x.view(3, 3, 3)).shape == (3,)
    window = Window(3, window=2, statistics="trend", device="meta")
    window.push(x[:, 0])
    window.reset(torch.empty(3, dtype=torch.bool, device="meta"))
    assert window.statistics().device.type == "meta"


def test_one_graph_under_compilation() -> None:
    x = RECORDS["walk"][:, :8].contiguous()
    window = Window(3, window=4)

    def step(values: Tensor) -> Tensor:
        window.push(values)
        return window.statistics()[:, 0]

    for eager in (last, lambda x: rolling(x, window=4)["ac1"], lambda x: covariance_share(x.view(3, 4, 2))):
        compiled = torch.compile(eager, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(x), eager(x), equal_nan=True)
    compiled = torch.compile(step, fullgraph=True, backend="eager")
    for values in x.unbind(1):
        found = compiled(values)
    torch.testing.assert_close(found, last(x[:, 4:]))


def test_inference_mode_leaves_nothing_behind() -> None:
    x = RECORDS["walk"][:, :19]  # a window of no other test: its constants are made here
    with torch.inference_mode():
        window = Window(3, window=2, statistics="mean")
        window.push(x[:, 0])
        inside = last(x)
    window.push(x[:, 1])
    window.reset()
    graph = x.clone().requires_grad_()
    outside = last(graph)
    outside.sum().backward()
    assert torch.equal(inside, outside.detach())
    assert graph.grad is not None
    assert graph.grad.isfinite().all()


def test_autocast_leaves_the_digits_alone() -> None:
    x, states = RECORDS["walk"][:, :8].to(torch.float32), RECORDS["walk"].unsqueeze(0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, share = last(x), covariance_share(states)
    assert torch.equal(found, last(x))
    assert torch.equal(share, covariance_share(states))


def test_a_device_without_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    x = RECORDS["walk"].to(torch.float32)
    expected, share = rolling(x, window=8), covariance_share(x.unsqueeze(0))
    monkeypatch.setattr("adapters.windows._dtype_of", lambda _: torch.float32)
    monkeypatch.setattr("adapters.windows._PLANS", {})
    for name, values in rolling(x, window=8).items():
        assert values.dtype == torch.float32
        np.testing.assert_allclose(values, expected[name], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(covariance_share(x.unsqueeze(0)), share, rtol=1e-4)


def test_gradients() -> None:
    x = RECORDS["walk"][:, :6].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: last(x, statistics=STATISTICS), (x,))
    assert torch.autograd.gradcheck(lambda x: rolling(x, window=4)["skewness"][:, 3:], (x,))
    assert torch.autograd.gradcheck(lambda x: covariance_share(x.view(3, 3, 2)), (x,))


# ---- wrong arguments -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda x: rolling(x.numpy(), window=4), InputTypeError, "x: got a ndarray"),
        (lambda x: rolling(x.to(torch.complex64), window=4), InputTypeError, "torch.complex64"),
        (lambda x: rolling(x, window=0.5), WindowError, "a whole number of steps"),
        (lambda x: rolling(x, window=True), WindowError, "a whole number of steps"),
        (lambda x: rolling(x, window=2), WindowError, "at least 3 steps for variance, ac1"),
        (lambda x: rolling(x, window=24), WindowError, "at most the 23 steps of x"),
        (lambda x: rolling(x, window=4, dim=2), ValueRangeError, "dim: got 2"),
        (lambda x: rolling(x[0, 0], window=1, statistics="mean"), ValueRangeError, "dim: got -1"),
        (lambda x: rolling(x, window=4, statistics=("varianz",)), UnknownNameError, "did you mean 'variance'"),
        (lambda x: rolling(x, window=4, statistics=()), InputTypeError, "statistics"),
        (lambda x: last(x[0]), InputTypeError, r"shape \(23,\).*shape \(rows, window\)"),
        (lambda x: last(x[:, :2]), WindowError, "at least 3 steps"),
        (lambda x: last(x, statistics=None), InputTypeError, "statistics"),
        (lambda x: covariance_share(x), InputTypeError, r"shape \(rows, window, width\)"),
        (lambda x: covariance_share(x.view(3, 1, STEPS)), WindowError, "at least 2 steps"),
        (lambda _: Window(0, window=4), ValueRangeError, "rows: got 0"),
        (lambda _: Window(3, window=4, signals=1.0), ValueRangeError, "signals: got 1.0"),
        (lambda _: Window(3, window=1), WindowError, "at least 3 steps"),
        (lambda _: Window(3, window=4, dtype=torch.int64), ValueRangeError, "dtype: got torch.int64"),
        (lambda _: Window(3, window=4).push([1.0, 2.0, 3.0]), InputTypeError, "values: got a list"),
        (lambda x: Window(3, window=4).push(x[:2, 0]), InputTypeError, r"shape \(2,\).*shape \(3, 1\)"),
        (lambda x: Window(3, window=4, signals=2).push(x[:, 0]), InputTypeError, r"shape \(3, 2\)"),
        (lambda _: Window(3, window=4).reset(torch.tensor([0, 2, 1])), InputTypeError, "torch.bool"),
        (lambda _: Window(3, window=4).reset(torch.tensor([True])), InputTypeError, r"shape \(3,\)"),
    ],
)
def test_wrong_arguments_are_named(wrong, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        wrong(RECORDS["noise"])


def test_whole_numbers_of_numpy_will_do() -> None:
    assert rolling(RECORDS["noise"], window=np.int64(4))["ac1"].shape == (3, STEPS)


# ---- without the statistics library's dependencies -----------------------------------------------------------------

HIDDEN = """
import sys

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("numba", "llvmlite", "pandas", "scipy", "transformers"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hide())
import torch
from adapters.windows import Window, covariance_share, last, rolling

x = torch.tensor([[1.0, 2.0, 3.0, 6.0]])
window = Window(1, window=4, statistics="trend")
for value in x.unbind(1):
    window.push(value)
shown = rolling(x, window=4, statistics="mean")["mean"][0, 3], last(x)[0, 3], window.statistics()[0, 0, 0]
print(*(round(float(value), 12) for value in (*shown, covariance_share(x.view(1, 2, 2))[0])))
"""


def test_runs_where_numba_is_not_installed() -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", HIDDEN], capture_output=True, text=True, env=environment, check=False)
    assert done.stderr == ""
    assert done.stdout.split() == ["3.0", "1.6", "1.6", "1.0"]
