"""Likelihood ratio of a model that approaches a bifurcation against one in which nothing changes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.progress import ProgressOption, reported
from ews._common.seeds import resolve_seed
from ews._common.times import numeric
from ews.bifurcations._likelihood.result import (
    Alternative,
    Drift,
    LikelihoodConfig,
    LikelihoodRatio,
    Noise,
    OrnsteinUhlenbeckFit,
    TransitionFit,
)
from ews.errors import SeriesTooShortError, ValueRangeError, described
from ews.series import Duplicates, Missing, Series, as_series

__all__ = ["likelihood"]

FloatArray = npt.NDArray[np.float64]

# Four parameters from fewer observations are noise.
FEWEST_VALUES = 10
# A ratio below what the search resolves is none.
RESOLUTION = 1e-6
SMALLEST, LARGEST = 1e-100, 1e100
_MODELS = {"saddle-node": 0, "transcritical": 1}
_DRIFTS = ("towards", "free")
_NOISES = ("demographic", "additive")
# A chunk holds few series, so that progress is seen: each takes milliseconds.
_SAMPLES_PER_VALUE = 64


@reported("bootstrap")
def likelihood(
    series: Any,
    *,
    time: Any = None,
    alternative: Alternative = "saddle-node",
    drift: Drift = "towards",
    noise: Noise = "demographic",
    n_bootstrap: int = 500,
    alpha: float = 0.05,
    until: Any = None,
    missing: Missing = "raise",
    duplicates: Duplicates = "raise",
    seed: int | np.random.Generator | None = 0,
    progress: ProgressOption = None,
) -> LikelihoodRatio:
    """Test a linearised bifurcation that is being approached against an Ornstein–Uhlenbeck process.

    The null is dx = k (x̄ − x) dt + σ dB. The alternative lets the distance R to the bifurcation change at constant
    speed. Saddle-node: dE/dt = 2√R (√R + θ − E), dV/dt = −4√R V + σ² (√R + θ). Transcritical: dE/dt = R (R − E/θ),
    dV/dt = −2 (R/θ) V + σ² (1 + R). For constant R both are Ornstein–Uhlenbeck processes, so that the ratio
    D = −2 (l_null − l_alternative) is never negative. Its distribution under the null, and under the alternative, comes
    from series drawn from each fit, both models fitted again to each.

    The bifurcation is taken as it stands in these equations, so that the unit of the series matters: the level itself
    must move as √R (or θR) does, beside the rate of return. Do not standardise the series.

    Parameters
    ----------
    series : array_like of shape (n,)
        At least 10 observations in natural units, not detrended.
    time : array_like of shape (n,), optional
        When each was made (default: the index that the data carry, else 0, 1, 2, …).
    alternative : {"saddle-node", "transcritical"}, default "saddle-node"
        Which bifurcation.
    drift : {"towards", "free"}, default "towards"
        ``"towards"`` lets R only fall, and so warns of an approach and of nothing else. ``"free"`` also takes a rise
        for evidence, as the original statistic did. The ratio of the other one is reported too, without a test.
    noise : {"demographic", "additive"}, default "demographic"
        Whether the variance of the noise follows the equilibrium, as above, or is σ² throughout. Demographic noise, and
        the transcritical model, need a series of positive level.
    n_bootstrap : int, default 500
        Series drawn from each of the two fits; 0 leaves out the test.
    alpha : float, default 0.05
        Level at which the power is stated.
    until : number or date, optional
        Last time used, for example a known transition.
    missing : {"raise", "interpolate", "drop"}, default "raise"
        What to do with NaN and with uneven spacing. ``"drop"`` is exact here: missing values are left out and the times
        of the others used as they are, as the transition densities hold for any step.
    duplicates : {"raise", "mean"}, default "raise"
        What to do with several observations at one time.
    seed : int, numpy.random.Generator or None, default 0
        Seed of the bootstrap. Series k depends on the seed and on k only, whatever the number of threads.
    progress : None, True or callable, default None
        A bar, or a function called as ``progress(done, total)`` (see :func:`ews.detect`).

    Returns
    -------
    LikelihoodRatio
        Fits, ratios, p-value, bootstrap distributions, ROC curve and power.

    Raises
    ------
    ews.errors.ArgumentError
        For input that is no series, is too short, or constant, or has a level that the model does not allow; and for
        arguments out of range.

    Notes
    -----
    Mean and variance over a step are integrals of entire functions, taken by Gauss–Legendre sums to at least 9 digits,
    and to 12 where the rate hardly changes over a step.
    Level and noise are fitted inside for given rates, which leaves two parameters to search: the logarithm of the mean
    rate, from 0.001 per record to 40 per median step, and the contrast of the rates at start and end. Each side of a
    constant rate is searched from a grid and then by Nelder–Mead from its best points and from the null. The level is
    sought within one range of the observations.

    References
    ----------
    Boettiger, C. & Hastings, A. (2012). Quantifying limits to detection of early warning for critical transitions.
    J. R. Soc. Interface 9, 2527–2539. The variance decays as 4√R by Itô's formula, where the code published with the
    paper has 2√R and so does not nest the null.

    Examples
    --------
    >>> import ews
    >>> population = ews.models.harvested_population(n=200, seed=1)
    >>> result = ews.bifurcations.likelihood(population.values, until=population.transition, n_bootstrap=19)
    >>> result.ratio_free >= result.ratio_towards >= 0.0
    True
    """
    _check(alternative, drift, noise, n_bootstrap, alpha)
    resolved = resolve_seed(seed)
    checked = as_series(series, time=time, until=until, missing=missing, duplicates=duplicates, timed=True)
    config = LikelihoodConfig(
        alternative, drift, noise, int(n_bootstrap), float(alpha), None if until is None else str(until), missing,
        duplicates, resolved,
    )  # fmt: skip
    problem = _Problem(checked, config)
    null = problem.fit_null()
    towards = problem.fit_side(null, -1.0)
    rising = problem.fit_side(null, 1.0)
    free = rising if rising[0] > towards[0] else towards
    chosen = towards if drift == "towards" else free
    if n_bootstrap:
        null_table, test_table = problem.null_table(null), problem.transition_table(chosen)
        seeds = [int(word) for word in np.random.SeedSequence([resolved, 2]).generate_state(2, np.uint64)]
        null_ratios = problem.bootstrap(null_table, 1, null, seeds[0], progress, 0)
        test_ratios = problem.bootstrap(test_table, problem.power, chosen, seeds[1], progress, int(n_bootstrap))
    else:
        null_ratios = test_ratios = np.empty(0)
    ratio_towards, ratio_free = _ratio(towards, null), _ratio(free, null)
    ratio = ratio_towards if drift == "towards" else ratio_free
    return LikelihoodRatio(
        series=checked,
        config=config,
        null=OrnsteinUhlenbeckFit(math.exp(null[1]), float(null[3]), float(null[4]), float(null[0])),
        towards=problem.described(towards),
        free=problem.described(free),
        ratio_towards=ratio_towards,
        ratio_free=ratio_free,
        null_ratios=null_ratios,
        test_ratios=test_ratios,
        **_compared(ratio, null_ratios, test_ratios, float(alpha)),
    )


def _check(alternative: Any, drift: Any, noise: Any, n_bootstrap: Any, alpha: Any) -> None:
    for argument, given, allowed in (
        ("alternative", alternative, tuple(_MODELS)), ("drift", drift, _DRIFTS), ("noise", noise, _NOISES)
    ):  # fmt: skip
        checks.choice(argument, given, allowed)
    checks.draws("n_bootstrap", n_bootstrap)
    checks.alpha(alpha)


class _Problem:
    """One series and the choices that stay the same in every fit to it, as the kernels take them."""

    def __init__(self, series: Series, config: LikelihoodConfig) -> None:
        if len(series) < FEWEST_VALUES:
            raise SeriesTooShortError("series", described(f"{len(series)} values"), f"at least {FEWEST_VALUES} values")
        self.x = np.array(series.values)
        lowest, highest = float(self.x.min()), float(self.x.max())
        if lowest == highest:
            raise ValueRangeError("series", described(f"{self.x.size} equal values"), "values that vary")
        if not (highest - lowest > SMALLEST and max(-lowest, highest) < LARGEST):
            given = described(f"values from {lowest:.6g} to {highest:.6g}")
            raise ValueRangeError("series", given, "values whose squares neither overflow nor vanish")
        self.steps = np.diff(numeric(series.time))
        self.middle = float(np.median(self.steps))
        self.config = config
        self.model = _MODELS[config.alternative]
        self.power = 1 if config.alternative == "saddle-node" else 2
        self.additive = config.noise == "additive"
        self.positive = not self.additive or config.alternative == "transcritical"
        mean = float(self.x.mean())
        if self.positive and not mean > 0:
            way_out = 'noise="additive"' if self.power == 1 else 'alternative="saddle-node" with noise="additive"'
            allowed = f"a positive mean (the model holds for a positive level only; {way_out} does without)"
            raise ValueRangeError("series", described(f"a mean of {mean:.6g}"), allowed)

    def fit_null(self) -> FloatArray:
        """The Ornstein–Uhlenbeck fit, as the kernels hold one."""
        from ews._kernels.likelihood_search import FIT, fit_ornstein_uhlenbeck

        fit = np.empty(FIT)
        fit_ornstein_uhlenbeck(self.x, self.steps, self.middle, self.positive, self.scratch(), fit)
        return fit

    def fit_side(self, null: FloatArray, side: float) -> FloatArray:
        """The best fit with a rate that falls (−1) or rises (1); the null itself where nothing is better."""
        from ews._kernels.likelihood_search import FIT, fit_transition

        fit = np.empty(FIT)
        fit_transition(
            self.model, self.additive, side, self.x, self.steps, self.middle, self.positive, null, self.scratch(), fit
        )
        return fit

    def scratch(self) -> FloatArray:
        return np.empty((5, self.steps.size))

    def null_table(self, fit: FloatArray) -> FloatArray:
        from ews._kernels.likelihood import ornstein_uhlenbeck_table

        table = self.scratch()
        ornstein_uhlenbeck_table(self.steps, math.exp(fit[1]), table)
        return table

    def transition_table(self, fit: FloatArray) -> FloatArray:
        from ews._kernels.likelihood import NESTED, transition_table
        from ews._kernels.likelihood_search import ends

        table = self.scratch()
        start, end = ends(self.model, fit[1], fit[2])
        transition_table(self.model, self.additive, self.steps, start, end, NESTED, table)
        return table

    def bootstrap(
        self,
        table: FloatArray,
        power: int,
        fit: FloatArray,
        seed: int,
        progress: ProgressOption,
        done: int,
    ) -> FloatArray:
        """Ratios of series drawn from a fit; `done` series were counted before."""
        from ews._kernels.likelihood_search import FIT, draw, fit_ornstein_uhlenbeck, fit_transition
        from ews._significance.pipeline import in_chunks

        count = self.config.n_bootstrap
        sides = (-1.0,) if self.config.drift == "towards" else (-1.0, 1.0)
        z, sigma, first_value = float(fit[3]), float(fit[4]), float(self.x[0])

        def chunk(first: int, rows: int) -> FloatArray:
            x, scratch, null, found = np.empty(self.x.size), self.scratch(), np.empty(FIT), np.empty(FIT)
            out = np.empty(rows)
            for row in range(rows):  # a fit takes milliseconds, without the GIL: the loop may be Python's
                draw(table, power, z, sigma, first_value, np.uint64(seed), first + row, x)
                fit_ornstein_uhlenbeck(x, self.steps, self.middle, self.positive, scratch, null)
                ratio = 0.0
                for side in sides:
                    fit_transition(
                        self.model, self.additive, side, x, self.steps, self.middle, self.positive, null, scratch, found
                    )
                    ratio = max(ratio, _ratio(found, null))
                out[row] = ratio
            return out

        def report(now: int, _: int) -> None:
            if callable(progress):
                progress(done + now, 2 * count)

        return np.concatenate(in_chunks(chunk, count, n=_SAMPLES_PER_VALUE * self.x.size, progress=report))

    def described(self, fit: FloatArray) -> TransitionFit:
        """A fit in the parameters of its model."""
        from ews._kernels.likelihood_search import ends

        start, end = ends(self.model, float(fit[1]), float(fit[2]))
        theta = float(fit[3])
        duration = float(self.steps.sum())
        if self.power == 1:  # start and end are √R
            distances, rates, levels = (start**2, end**2), (2 * start, 2 * end), (theta + start, theta + end)
        else:  # they are R/θ
            distances, rates = (theta * start, theta * end), (start, end)
            levels = (theta * distances[0], theta * distances[1])
        return TransitionFit(
            *distances, (distances[1] - distances[0]) / duration, theta, float(fit[4]), *rates, *levels, float(fit[0])
        )


def _ratio(fit: FloatArray, null: FloatArray) -> float:
    found = 2.0 * float(fit[0] - null[0])
    return found if found >= RESOLUTION else 0.0


def _compared(ratio: float, null: FloatArray, test: FloatArray, alpha: float) -> dict[str, Any]:
    """p-value, ROC curve, its area, threshold and power; what needs a bootstrap is NaN or empty without one."""
    if not null.size:
        nan, empty = float("nan"), np.empty(0)
        return {
            "pvalue": nan, "false_positive_rate": empty, "true_positive_rate": empty, "auc": nan, "threshold": nan,
            "power": nan,
        }  # fmt: skip
    ordered = np.sort(null)

    def pvalue(d: Any) -> Any:
        return (1 + null.size - np.searchsorted(ordered, d, side="left")) / (1 + null.size)

    cuts = np.unique(np.concatenate([null, test]))[::-1]
    false_positive = np.concatenate([[0.0], (null.size - np.searchsorted(ordered, cuts, side="left")) / null.size])
    true_positive = np.concatenate([[0.0], (test.size - np.searchsorted(np.sort(test), cuts, side="left")) / test.size])
    wins = 0.5 * (np.searchsorted(ordered, test, side="left") + np.searchsorted(ordered, test, side="right"))
    reached = math.floor(alpha * (1 + null.size) + 1e-9) - 1  # null series that may reach a significant ratio
    return {
        "pvalue": float(pvalue(ratio)),
        "false_positive_rate": false_positive,
        "true_positive_rate": true_positive,
        "auc": float(wins.mean() / null.size),
        "threshold": float(ordered[-1 - reached]) if reached >= 0 else math.inf,
        "power": float((pvalue(test) <= alpha + 1e-12).mean()),
    }
