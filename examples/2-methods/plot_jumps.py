"""
Where the fluctuations come from: drift, diffusion and jumps
============================================================

The increments of a series say how it returns (drift), how it is shaken (diffusion), and how often it is struck (jumps),
each as a function of its state. None needs a model of the system.
"""

import ews
from ews import bifurcations

population = ews.models.harvested_population(n=500, seed=1)

# %%
# The components against the state, and their trends in time, tested against red noise.

result = bifurcations.jumps(population, until=population.transition, seed=1)
print(result.summary())

# %%
# In time all components are functions of the state, so they move with it.

result.plot()
