"""Drift, diffusion and jumps against R's earlywarnings: ``ddjnonparam_ews(foldbif, logtransform = FALSE)``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import ews
import ews.bifurcations

COLUMNS = {"S2": "conditional_variance", "TotVar": "total_variance", "Diff2": "diffusion", "Lambda": "jump_intensity"}
TOLERANCE = 1e-11  # of rounding: sums of 199 terms in another order


def test_components_of_foldbif(reference_data: Path, eco_data: Path) -> None:
    x = pd.read_csv(eco_data / "earlywarnings-R" / "csv" / "foldbif.csv")["y"]
    ours = ews.bifurcations.jumps(x, kernel_bandwidth=0.6, points=500, n_surrogates=0)
    by_state = pd.read_csv(reference_data / "earlywarningsR" / "ddj_foldbif_bw0.6_na500_a.csv")
    in_time = pd.read_csv(reference_data / "earlywarningsR" / "ddj_foldbif_bw0.6_na500_t.csv")
    np.testing.assert_allclose(ours.grid, by_state.avec, rtol=TOLERANCE)
    for theirs, name in COLUMNS.items():
        np.testing.assert_allclose(ours.by_state[name], by_state[theirs], rtol=TOLERANCE, atol=TOLERANCE, err_msg=name)
        np.testing.assert_allclose(ours.in_time[name], in_time[theirs], rtol=TOLERANCE, atol=TOLERANCE, err_msg=name)
