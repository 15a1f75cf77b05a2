"""
How steep is the drift? The Langevin slope and its credible band
================================================================

A window of the record is taken for a Langevin equation with a cubic drift and constant noise. The slope of the drift at
the fixed point is negative while the state is stable, and its posterior is known exactly: no Markov chain is needed.
"""

import ews

# %%
# A fish population under ever heavier harvest, up to the fold.

population = ews.models.harvested_population(n=1000, seed=1)
result = ews.bifurcations.langevin(population, until=population.transition, n_surrogates=199)
print(result.summary())

# %%
# The slope rises towards 0; the noise does not change, which tells a loss of stability from stronger disturbances.

result.plot()
