"""The forward pass of the deep classifiers in NumPy, against PyTorch's layers with the same weights."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.evidence import deep_classifier
from benchmarks.evidence.deep_classifier import Weights, forward, prepared

FILTERS, KERNEL, FIRST, SECOND, CLASSES = 7, 12, 6, 4, 4


def drawn(seed: int) -> Weights:
    generator = np.random.default_rng(seed)

    def array(*shape: int) -> np.ndarray:
        return generator.standard_normal(shape).astype(np.float32)

    return Weights(
        (array(KERNEL, 1, FILTERS), array(FILTERS)),
        (array(FILTERS, 4 * FIRST), array(FIRST, 4 * FIRST), array(4 * FIRST)),
        (array(FIRST, 4 * SECOND), array(SECOND, 4 * SECOND), array(4 * SECOND)),
        (array(SECOND, CLASSES), array(CLASSES)),
    )


def by_torch(weights: Weights, x: np.ndarray) -> np.ndarray:
    import torch

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array))

    def memory(arrays: tuple[np.ndarray, ...], inputs: torch.Tensor) -> torch.Tensor:
        kernel, recurrent, bias = arrays
        layer = torch.nn.LSTM(kernel.shape[0], recurrent.shape[0], batch_first=True)
        with torch.no_grad():
            layer.weight_ih_l0.copy_(tensor(kernel.T))
            layer.weight_hh_l0.copy_(tensor(recurrent.T))
            layer.bias_ih_l0.copy_(tensor(bias))
            layer.bias_hh_l0.zero_()
            outputs: torch.Tensor = layer(inputs)[0]
            return outputs

    kernel, bias = weights.convolution
    functional = torch.nn.functional
    convolved = functional.conv1d(tensor(x)[:, None], tensor(kernel.transpose(2, 1, 0)), tensor(bias), padding="same")
    pooled = functional.max_pool1d(torch.relu(convolved), 2).transpose(1, 2)
    hidden = memory(weights.second, memory(weights.first, pooled))[:, -1]
    kernel, bias = weights.dense
    return torch.softmax(hidden @ tensor(kernel) + tensor(bias), dim=1).numpy()


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_forward_pass_is_that_of_the_layers(seed: int) -> None:
    x = np.random.default_rng(seed + 10).standard_normal((3, 61)).astype(np.float32)
    weights = drawn(seed)
    found = forward(weights, x)
    np.testing.assert_allclose(found, by_torch(weights, x), atol=2e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-6)


def test_short_series_are_scaled_and_padded_before() -> None:
    rows = np.array([[1.0, -3.0, 2.0], [10.0, -30.0, 20.0]])
    padded = prepared(rows)
    assert padded.shape == (2, deep_classifier.LONGEST)
    assert not padded[:, :-3].any()
    np.testing.assert_allclose(padded[:, -3:], [[0.5, -1.5, 1.0]] * 2)
    with pytest.raises(ValueError, match="up to 500 samples, got 501"):
        prepared(np.zeros((1, 501)))
