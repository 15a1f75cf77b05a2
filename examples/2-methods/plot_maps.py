"""
Which pixels lose resilience? Maps
==================================

A small cube of red noise with gaps, in which one corner slows down. Each pixel is held against surrogates that were
drawn once for all; the line in the figure is the false discovery rate of 0.05 over the map.
"""

import numpy as np

import ews

# %%
# 16 × 24 pixels and 250 times; in the corner the lag-1 coefficient rises from 0.3 to 0.97, and a tenth is missing.

rng = np.random.default_rng(1)
coefficient = np.full((16, 24, 250), 0.4)
coefficient[:8, :10] = np.linspace(0.3, 0.97, 250)
cube = rng.standard_normal(coefficient.shape)
for t in range(1, 250):
    cube[..., t] += coefficient[..., t] * cube[..., t - 1]
cube[rng.random(cube.shape) < 0.1] = np.nan

maps = ews.detect_many(cube, null="table", n_surrogates=2000)
print(maps)

# %%

maps.plot()

# %%
# Of the pixels that warn at that rate, so many lie in the corner.

warned = maps.warnings(0.05)
print(f"{warned[:8, :10].sum()} of {warned.sum()}")
