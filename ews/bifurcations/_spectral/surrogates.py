"""Could another model have given this spectrum? Series drawn from each rival, as fitted, are classified again."""

from __future__ import annotations

import math

import numpy as np

from ews._common.progress import ProgressOption
from ews._significance.pipeline import Stages, in_chunks
from ews._significance.windows import Prepared
from ews.bifurcations._spectral.fit import MODELS, Classified, FloatArray, Kind, Welch, classify
from ews.nulls.null import generator_of

__all__ = ["multiplier", "rival_pvalues"]


def rival_pvalues(
    prepared: Prepared,
    welch: Welch,
    found: Classified,
    kind: Kind,
    *,
    n_surrogates: int,
    seed: int,
    progress: ProgressOption = None,
) -> dict[str, float]:
    """p-value of each rival of `kind`: how often its surrogates favour some other model over it as much.

    The surrogates' best model may be any: that a rival is refused in favour of one of three is one test, not three.
    Surrogates have the length of the series and are detrended as it was; number k of model i has random numbers of its
    own. NaN for `kind`, and without surrogates.
    """
    drawn = prepared.pipeline.drawn
    names: tuple[str, ...] = MODELS
    pvalue = dict.fromkeys(names, math.nan)
    stages = Stages(progress, (len(MODELS) - 1) * n_surrogates)
    for code, name in enumerate(MODELS):
        if name == kind or not n_surrogates:
            continue
        one = multiplier(name, float(found.fits.first[code, 0]), float(found.fits.second[code, 0]))

        def margins(first: int, count: int, one: complex = one, code: int = code) -> FloatArray:
            numbers = (generator_of(seed, len(MODELS) * (first + i) + code) for i in range(count))
            rows = np.stack([_draw(one, drawn, generator) for generator in numbers])
            aic = classify(welch.whole(prepared.pipeline.residual(rows)[:, -drawn:])).aic
            return np.asarray(aic[code] - aic.min(axis=0), dtype=np.float64)

        margin = np.concatenate(in_chunks(margins, n_surrogates, n=drawn, progress=stages.next()))
        observed = found.aic[code, 0] - found.aic[:, 0].min()
        pvalue[name] = float((1 + np.sum(margin >= observed)) / (1 + n_surrogates))
    return pvalue


def multiplier(model: str, first: float, second: float) -> complex:
    """What a deviation is multiplied by from one sample to the next: exp(λ), r, exp(μ + iω₀) or 0."""
    if model == "null":
        return 0.0
    if model == "flip":
        return first
    return complex(np.exp(complex(first, second)))


def _draw(one: complex, n: int, generator: np.random.Generator) -> FloatArray:
    """Stationary z[t+1] = m z[t] + noise, real part, of unit variance: the sampled linear system of each model."""
    from scipy.signal import lfilter

    normal = generator.standard_normal((2, n))
    noise = normal[0] + 1j * normal[1]
    noise[1:] *= math.sqrt(1 - abs(one) ** 2)
    return np.ascontiguousarray(lfilter([1.0], [1.0, -one], noise).real)
