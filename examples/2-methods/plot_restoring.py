"""
When would it tip? The restoring rate and where its trend leads
===============================================================

The restoring rate of Boers is estimated in each window with noise that may itself have memory. A line through it is
corrected for the bias of short windows and followed to 0. How far that is to be trusted is part of the answer.
"""

import ews

# %%
# The first 700 years of a harvested population that tips after about 940. A fold approaches along a square root, which
# falls faster at the end than any line.

population = ews.models.harvested_population(n=1000, seed=1)
result = ews.bifurcations.restoring(population, until=700, n_surrogates=199, n_bootstrap=200)
print(result.summary())
print(f"true time from the end of the record: {population.transition - 700:.0f}")

# %%

result.plot()

# %%
# Under constant harvest there is nothing to extrapolate, and the interval says so.

still = ews.models.harvested_population(n=700, harvest=1.0, seed=1)
print(ews.bifurcations.restoring(still, n_surrogates=199, n_bootstrap=200).threshold_sentence)
