"""
Does it hang on the window? Trends over all windows and bandwidths
==================================================================

Window and bandwidth are chosen, not known. The map shows the trend of each indicator for every choice, and one test
holds for all of them.
"""

import ews

# %%
# A fish population under ever heavier harvest, up to the fold. Every surrogate goes through the whole grid too, so that
# the median of the trend over the grid has a p-value.

population = ews.models.harvested_population(n=1000, seed=1)
found = ews.sensitivity(population, until=population.transition, n_surrogates=199)
print(found.summary())

# %%
# Dots mark cells that are significant for themselves; the histograms hold all cells, with the medians of the surrogates
# behind them.

found.plot()
