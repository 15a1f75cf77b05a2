"""The deep-learning classifiers of Bury et al. (2021), their weights run in plain NumPy.

A convolution, a maximum over pairs, two long short-term memories, a softmax over fold, Hopf, transcritical and none.
Twenty networks for series of up to 500 samples, ten of which learned from series padded on the left only, are averaged.
Input as its authors have it: residuals of Lowess (span 0.2) over their mean absolute value, zeros before them.

The weights are MIT-licensed (github.com/ThomasMBury/ewstools, saved_classifiers/bury_pnas_21) and no part of this
project; they are read where they lie beside it, or below ``EWS_REFERENCE_DIR``. A ``.keras`` file is a zip that holds
``model.weights.h5``.
"""

from __future__ import annotations

import io
import os
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ews import detrend

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "reference"
FOLDER = Path(os.environ.get("EWS_REFERENCE_DIR") or _BESIDE) / "bury_classifiers"
LONGEST = 500
CLASSES = ("fold", "Hopf", "transcritical", "none")
SPAN = 0.2
_ROWS = 500  # at a time: half a gigabyte of convolutions


@dataclass(frozen=True)
class Weights:
    """One network: kernels, recurrent kernels and biases in the order and layout that Keras saves them in."""

    convolution: tuple[np.ndarray, np.ndarray]
    first: tuple[np.ndarray, np.ndarray, np.ndarray]
    second: tuple[np.ndarray, np.ndarray, np.ndarray]
    dense: tuple[np.ndarray, np.ndarray]


def are_here() -> bool:
    """Whether the weights lie beside this project."""
    return FOLDER.is_dir()


@cache
def ensemble() -> tuple[Weights, ...]:
    """All networks for series of up to 500 samples."""
    paths = sorted(FOLDER.glob(f"best_model_*_len{LONGEST}.keras"))
    assert len(paths) == 20, f"{len(paths)} networks in {FOLDER}"
    return tuple(read(path) for path in paths)


def read(path: Path) -> Weights:
    """The weights in a ``.keras`` file."""
    import h5py

    with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:

        def arrays(layer: str) -> tuple[np.ndarray, ...]:
            group = file[f"layers/{layer}/vars"]
            return tuple(np.asarray(group[str(i)]) for i in range(len(group)))

        return Weights(arrays("conv1d"), arrays("lstm/cell"), arrays("lstm_1/cell"), arrays("dense"))


def evidence(rows: np.ndarray) -> np.ndarray:
    """Probability of any bifurcation for each row, shape (rows,)."""
    return 1.0 - probabilities(rows)[:, CLASSES.index("none")]


def probabilities(rows: np.ndarray) -> np.ndarray:
    """Mean of the networks' probabilities for each row of values, shape (rows, 4) in the order of `CLASSES`."""
    plan = detrend.plan("lowess", n=rows.shape[1], bandwidth=SPAN, causal=False)
    return of_residuals(rows - plan.rows(rows))


def of_residuals(residual: np.ndarray) -> np.ndarray:
    """:func:`probabilities` of rows that are residuals already."""
    found = np.zeros((len(residual), len(CLASSES)))
    for start in range(0, len(residual), _ROWS):
        padded = prepared(residual[start : start + _ROWS])
        for weights in ensemble():
            found[start : start + _ROWS] += forward(weights, padded)
    return found / len(ensemble())


def prepared(residual: np.ndarray) -> np.ndarray:
    """Residuals over their mean absolute value, zeros before them up to the length that the networks take."""
    n = residual.shape[1]
    if n > LONGEST:
        raise ValueError(f"the networks take series of up to {LONGEST} samples, got {n}")
    padded = np.zeros((len(residual), LONGEST), dtype=np.float32)
    padded[:, LONGEST - n :] = residual / np.abs(residual).mean(axis=1, keepdims=True)
    return padded


def forward(weights: Weights, x: np.ndarray) -> np.ndarray:
    """Softmax output of one network for rows of shape (rows, samples)."""
    kernel, bias = weights.convolution
    before = (len(kernel) - 1) // 2  # "same" padding, the odd sample behind
    wide = np.pad(x, ((0, 0), (before, len(kernel) - 1 - before)))
    windows = np.lib.stride_tricks.sliding_window_view(wide, len(kernel), axis=1)
    convolved = np.maximum(windows @ kernel[:, 0] + bias, 0.0)
    pooled = convolved[:, : convolved.shape[1] // 2 * 2].reshape(len(x), -1, 2, convolved.shape[2]).max(axis=2)
    hidden = memory(*weights.second, memory(*weights.first, pooled))[:, -1]
    kernel, bias = weights.dense
    logits = hidden @ kernel + bias
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def memory(kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Outputs of a long short-term memory at each step: x of shape (rows, steps, features); gates i, f, c, o."""
    units = len(recurrent)
    entered = x @ kernel + bias
    state = output = np.zeros((len(x), units), dtype=x.dtype)
    outputs = np.empty((*x.shape[:2], units), dtype=x.dtype)
    for step in range(x.shape[1]):
        gates = entered[:, step] + output @ recurrent
        keeps, forgets, shows = (_sigmoid(gates[:, i * units : (i + 1) * units]) for i in (0, 1, 3))
        state = forgets * state + keeps * np.tanh(gates[:, 2 * units : 3 * units])
        output = shows * np.tanh(state)
        outputs[:, step] = output
    return outputs


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))
