"""
From a series to a verdict
==========================

A fish population is harvested ever more heavily, until its upper equilibrium disappears in a fold. Does the record up
to that point show that the population is losing resilience?
"""

import ews

population = ews.models.harvested_population(n=2000, seed=3)

# %%
# One call answers. ``until`` keeps the transition itself out of the record: it would raise variance all by itself.

detection = ews.detect(population.values, time=population.time, until=population.transition, seed=1)
print(detection.summary())

# %%
# The figure shows the series with its trend, the residual, what drifted with its interval, and each indicator in front
# of the band in which the null would keep it.

figure = detection.plot()

# %%
# A control beside it: the same population under constant harvest. It goes nowhere, and the record is long enough to say
# so.

control = ews.models.harvested_population(n=2000, harvest=1.0, seed=4)
print(ews.detect(control.values, time=control.time, seed=1))
