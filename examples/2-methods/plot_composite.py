"""
An alarm as the record grows: the expanding-window composite
============================================================

Each indicator is measured on all observations so far, and set against its own history; the z-scores are added up. Two
times in a row more than two standard deviations above the mean raise an alarm, with nothing of the future in it.
"""

import numpy as np

import ews

# %%
# A population that is harvested ever more, up to its fold. Its slow decline is taken out by a smoother that looks back
# only. The rule raises an alarm early on; the p-value says that noise of the same memory does so too.

population = ews.models.harvested_population(n=200, noise=0.06, seed=2)
result = ews.composite(population, until=population.transition, detrend="gaussian", bandwidth=20)
print(result.summary())

# %%

result.plot()

# %%
# The rule cries wolf: in noise with some memory, in which nothing changes, it raises an alarm in many records. The
# p-value knows, since its surrogates go through the same rule.

noise = ews.models.ar1(n=100, coefficient=0.7, replicates=60, seed=1).values
found = [ews.composite(row, n_surrogates=199) for row in noise]
print(f"alarms of the rule: {np.mean([one.alarm_time is not None for one in found]):.2f}")
print(f"warnings, rule and p ≤ 0.05: {np.mean([one.warning for one in found]):.2f}")
