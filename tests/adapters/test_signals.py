"""The signals of the residual stream against a slow oracle, and at the edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from adapters.signals import SIGNALS, signals
from ews.errors import InputTypeError

NAN = math.nan


def slow(states: np.ndarray) -> np.ndarray:
    """One trajectory, shape (layers, width), by the definitions, one number after the other."""
    found = np.full((len(states), 4), np.nan)

    def length(vector: np.ndarray) -> float:
        return math.sqrt(math.fsum(float(value) ** 2 for value in vector))

    def inner(one: np.ndarray, other: np.ndarray) -> float:
        return math.fsum(float(a) * float(b) for a, b in zip(one, other, strict=True))

    for layer, state in enumerate(states):
        found[layer, 2] = math.log(length(state)) if length(state) else NAN
        if layer >= 1:
            before = states[layer - 1]
            if length(before) and length(state):
                found[layer, 0] = inner(state, before) / (length(state) * length(before))
            if length(before):
                found[layer, 1] = length(state - before) / length(before)
        if layer >= 2:
            update, earlier = state - states[layer - 1], states[layer - 1] - states[layer - 2]
            if length(update) and length(earlier):
                found[layer, 3] = inner(update, earlier) / (length(update) * length(earlier))
    return found


def _drawn(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).cumsum(axis=-2)


def test_they_equal_the_slow_oracle() -> None:
    states = _drawn((3, 7, 5))
    found = signals(torch.from_numpy(states)).numpy()
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, [slow(one) for one in states], rtol=1e-12, atol=1e-13)


def test_names_are_in_the_order_of_the_columns() -> None:
    states = torch.tensor([[1.0, 0.0], [2.0, 0.0], [2.0, 3.0]], dtype=torch.float64)
    found = dict(zip(SIGNALS, signals(states)[2].tolist(), strict=True))
    assert found == pytest.approx(
        {"cosine": 2 / math.sqrt(13), "update_norm": 1.5, "log_norm": math.log(13) / 2, "alignment": 0.0}
    )


def test_what_needs_an_earlier_layer_is_missing_there_and_nowhere_else() -> None:
    missing = signals(torch.from_numpy(_drawn((4, 6)))).isnan().tolist()
    assert missing == [[True, True, False, True], [False, False, False, True], [False] * 4, [False] * 4]


@pytest.mark.parametrize("layers", [1, 2])
def test_few_layers_are_enough_for_what_they_allow(layers: int) -> None:
    states = _drawn((layers, 6))
    np.testing.assert_allclose(signals(torch.from_numpy(states)).numpy(), slow(states), rtol=1e-12)


def test_leading_dimensions_are_kept() -> None:
    states = torch.from_numpy(_drawn((2, 3, 5, 4)))
    found = signals(states)
    assert found.shape == (2, 3, 5, 4)
    torch.testing.assert_close(found[1, 2], signals(states[1, 2]), rtol=0, atol=0, equal_nan=True)
    assert signals(states[:, :0]).shape == (2, 0, 5, 4)


def test_a_state_that_stays_is_all_alike_and_has_no_direction() -> None:
    found = signals(torch.ones(3, 8, dtype=torch.float64))
    np.testing.assert_allclose(found[1:, 0], 1.0, rtol=1e-15)
    assert found[1:, 1].tolist() == [0.0, 0.0]
    assert found[:, 3].isnan().all()


@pytest.mark.parametrize("zero", [0, 1, 2, 3])
def test_states_of_zero_length_have_no_ratios_and_no_logarithm(zero: int) -> None:
    states = _drawn((5, 4))
    states[zero] = 0.0
    np.testing.assert_allclose(signals(torch.from_numpy(states)).numpy(), slow(states), rtol=1e-12)


def test_the_unit_of_the_states_shifts_the_logarithm_only() -> None:
    states = torch.from_numpy(_drawn((6, 4)))
    once, thrice = signals(states), signals(3.0 * states)
    once[:, 2] += math.log(3.0)
    torch.testing.assert_close(thrice, once, rtol=1e-12, atol=1e-13, equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_narrow_types_are_summed_in_float32(dtype: torch.dtype) -> None:
    states = torch.from_numpy(_drawn((6, 300))).to(dtype)
    found = signals(states)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), slow(states.double().numpy()), rtol=1e-4, atol=1e-6)


def test_squares_of_float16_do_not_overflow() -> None:
    assert signals(torch.full((3, 4096), 3e4, dtype=torch.float16))[1:, :3].isfinite().all()


def test_a_missing_state_spoils_its_neighbours_only() -> None:
    states = _drawn((8, 4))
    states[2, 1] = np.nan
    missing = np.isnan(signals(torch.from_numpy(states)).numpy())
    assert missing[2].all()
    assert missing[3:5].tolist() == [[True, True, False, True], [False, False, False, True]]
    assert not missing[5:].any()


def test_the_states_are_as_before() -> None:
    states = torch.from_numpy(_drawn((4, 3)))
    copy = states.clone()
    signals(states)
    assert torch.equal(states, copy)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([[1.0, 2.0]], "a list"),
        (torch.ones(4), r"shape \(4,\)"),
        (torch.ones(2, 4, dtype=torch.int64), "torch.int64"),
        (torch.ones(2, 4, dtype=torch.complex64), "torch.complex64"),
    ],
)
def test_what_is_no_stream_of_states_is_refused(given: object, said: str) -> None:
    with pytest.raises(InputTypeError, match=said):
        signals(given)  # type: ignore[arg-type]
