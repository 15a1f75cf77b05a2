"""
How regular is a window? Scaling, complexity and what a linear model leaves
===========================================================================

Variance and autocorrelation look at pairs of samples. Other indicators look at longer stretches: how fluctuations grow
with their length, how often a pattern comes back, and whether the surprises themselves follow a pattern.
"""

from matplotlib.figure import Figure

import ews

population = ews.models.harvested_population(n=500, seed=3)
before = population.values[population.time <= population.transition]
residual = ews.detrend.gaussian(before, bandwidth=0.2).residual

# %%
# All of them in windows of half the record. Towards the fold the exponents and the eigenvalue should rise, the
# entropies fall.

names = (
    "companion_eigenvalue",
    "corrected_autocorrelation",
    "dfa_exponent",
    "hurst_exponent",
    "sample_entropy",
    "permutation_entropy",
)
values = ews.rolling(residual, window=0.5, indicators=names)
for name in names:
    tau, alarm = ews.trends.kendall(values[name]).statistic, ews.indicators.get(name).alarm
    print(f"{name:26} tau = {tau:+.2f}  (warns by going {alarm})")

# %%


def curves() -> Figure:
    figure = Figure(figsize=(8, 6), layout="constrained")
    for place, name in zip(figure.subplots(3, 2, sharex=True).flat, names, strict=True):
        place.plot(values[name])
        place.set_title(ews.indicators.get(name).label, fontsize="medium")
    return figure


curves()

# %%
# A trend is no finding before it has been compared with a null: the same through the whole pipeline. By default the
# score tests give the verdict, and indicators are context; ``method="kendall"`` makes their trends the test.

chosen = ("corrected_autocorrelation", "permutation_entropy")
print(ews.detect(before, indicators=chosen, method="kendall", n_surrogates=199, seed=1))

# %%
# The AR(1) coefficient without a window, and the band in which it lies.

fit = ews.time_varying_ar(residual)
print(fit.summary())


def band() -> Figure:
    figure = Figure(figsize=(8, 3), layout="constrained")
    place = figure.subplots()
    place.fill_between(fit.series.time, fit.smoothed_lower, fit.smoothed_upper, alpha=0.3)
    place.plot(fit.series.time, fit.smoothed)
    place.set_ylabel("AR(1) coefficient")
    return figure


band()

# %%
# Is anything left once a linear model has been taken out? Neither test looks at a trend: they ask whether the surprises
# are independent.

print(ews.bds(residual, residuals="arma", order=(1, 0), n_surrogates=199, seed=1).summary())
print()
print(ews.heteroskedasticity_test(residual, window=0.2).summary())
