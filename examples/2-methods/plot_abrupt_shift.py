"""
Where did it shift? The abrupt-shift score
==========================================

The series is cut into segments of many lengths; segments much steeper than the others vote for their samples. The score
is near 1 where a series rises abruptly at every scale. It finds a shift after the fact, it does not warn of one.
"""

import ews

# %%
# A harvested population, and its collapse.

population = ews.models.harvested_population(n=200, harvest=(1.0, 3.0), seed=3)
result = ews.abrupt_shift(population)
print(result.summary())

# %%

result.plot()

# %%
# Noise with memory drifts, and has large scores too: the p-value says that this one is nothing.

noise = ews.models.ar1(n=200, coefficient=0.9, seed=3)
print(ews.abrupt_shift(noise).summary())
