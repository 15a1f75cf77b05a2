"""
How many states there are: potential analysis
=============================================

A system that flickers between two states visits both before it stays in one. Its values then have two humps, and the
potential that they were drawn from two wells.
"""

import numpy as np

from ews import bifurcations

generator = np.random.default_rng(2)
flickering = np.where(generator.random(400) < 0.05, -1.0, 1.0).cumprod()
state = np.concatenate([np.ones(400), flickering]) + 0.25 * generator.standard_normal(800)

# %%
# How sure the number of wells is has two sides: resamples of the record in blocks, and records of one well with the
# same memory, which show several dips now and then.

result = bifurcations.potential(state, window=250, seed=1)
print(result.summary())

# %%
# The second well appears once the window holds enough of the flickering.

result.plot()

# %%
# A slow system with one well, for comparison: it looks uneven, but no more so than such a record does.

generator = np.random.default_rng(5)
slow = np.zeros(800)
for t in range(1, slow.size):
    slow[t] = 0.97 * slow[t - 1] + 0.25 * generator.standard_normal()
control = bifurcations.potential(slow, window=250, seed=1)
print(control.summary().split("Data")[0])
