"""The same input and seed give the same result, bit for bit, whatever the threads, the chunks and the process."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import ews
from ews._significance import pipeline as _pipeline
from ews.results import Detection

pytestmark = pytest.mark.jit  # threads matter where kernels let go of the interpreter

# 157 samples and 103 surrogates divide evenly into nothing.
X = ews.nulls.AR1(0.6, 1.0, 157).draw(0, 1, seed=1)[0] + np.linspace(0, 2, 157)


def fingerprint(null: ews.nulls.NullName = "ar1", detrend: str | None = "gaussian", method: Any = "kendall") -> bytes:
    found = ews.detect(X, null=null, detrend=detrend, method=method, n_surrogates=103, seed=7)
    assert isinstance(found, Detection)
    numbers = [*found.surrogate_tau.values()]
    numbers += [np.array([one.score, one.pvalue, one.adjusted, one.start, one.end]) for one in found.tests]
    numbers += [np.array([found.pvalue[name], found.pvalue_adjusted[name]]) for name in found.indicators]
    numbers += [np.array(interval) for interval in found.tau_interval.values()]
    numbers += [curve for band in found.surrogate_band.values() for curve in (band.lower, band.median, band.upper)]
    return np.concatenate([*numbers, [float(found.power or 0)]]).tobytes()


@pytest.mark.parametrize("method", ["score", "kendall"])
@pytest.mark.parametrize("null", ews.nulls.NAMES)
def test_threads_and_chunks_change_no_bit(
    null: ews.nulls.NullName, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EWS_NUM_THREADS", "1")
    expected = fingerprint(null, method=method)
    for threads, samples in ((2, 16_384), (5, 16_384), (1, 157), (2, 1_000), (5, 500), (1, 10**9)):
        monkeypatch.setenv("EWS_NUM_THREADS", str(threads))
        monkeypatch.setattr(_pipeline, "CHUNK_SAMPLES", samples)
        assert fingerprint(null, method=method) == expected, (threads, samples)


@pytest.mark.parametrize("detrend", [name for name in (*ews.detrend.METHODS, None) if name != "gaussian"])
def test_no_way_to_detrend_looks_at_other_rows(detrend: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EWS_NUM_THREADS", "1")
    method = "kendall" if detrend == "difference" else "score"
    expected = fingerprint(detrend=detrend, method=method)
    for threads, samples in ((2, 1_000), (1, 157)):
        monkeypatch.setenv("EWS_NUM_THREADS", str(threads))
        monkeypatch.setattr(_pipeline, "CHUNK_SAMPLES", samples)
        assert fingerprint(detrend=detrend, method=method) == expected


def test_more_surrogates_begin_with_the_same_ones() -> None:
    few, many = (ews.detect(X, n_surrogates=count, seed=7) for count in (20, 50))
    for name, taus in few.surrogate_tau.items():  # type: ignore[union-attr]
        np.testing.assert_array_equal(taus, many.surrogate_tau[name][:20])  # type: ignore[union-attr]


def test_another_process_finds_the_same_bits() -> None:
    code = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
import test_reproducibility as here
print(hashlib.sha256(here.fingerprint()).hexdigest())
"""
    found = set()
    for threads, hash_seed in (("1", "0"), ("3", "1")):
        done = subprocess.run(
            [sys.executable, "-c", code, os.path.dirname(__file__)],  # noqa: PTH120
            env={**os.environ, "EWS_NUM_THREADS": threads, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout)
    assert len(found) == 1
