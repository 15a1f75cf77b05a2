"""One detection small enough to run with the kernels in plain Python as well."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

import ews


def test_detect_end_to_end_on_a_short_series() -> None:
    series = np.random.default_rng(4).standard_normal(40).cumsum()
    found = ews.detect(series, indicators=("variance",), n_surrogates=39, seed=2)
    rolled = pd.Series(found.residual).rolling(20).var().to_numpy()
    np.testing.assert_allclose(found.indicators["variance"].values, rolled, rtol=1e-10)
    assert found.tau["variance"] == pytest.approx(kendalltau(np.arange(21), rolled[19:]).statistic, abs=1e-12)
    assert 2 / 40 <= found.pvalue["variance"] <= 1
    assert found.verdict in ("warning", "inconclusive")
