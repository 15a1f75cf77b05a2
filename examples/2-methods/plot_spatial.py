"""
Maps instead of a long record: spatial early-warning signals
============================================================

Where space is observed, each map can stand in for a window: cells that recover slowly remember what their neighbours
pass on, and the correlation between neighbours rises. One value a map, and the trend over maps is tested.
"""

import ews

# %%
# Fish populations on a lattice, each exchanging with its neighbours, under ever heavier harvest, up to the fold.

lattice = ews.models.harvested_lattice(n=100, seed=1)
result = ews.detect_spatial(lattice, until=lattice.transition, n_surrogates=499)
print(result.summary())

# %%
# Memory rises in all spatial modes together. The variance does not: the noise is in proportion to the population, which
# falls. Of the indicators, which stand beside, Moran's I rises.

result.plot()

# %%
# Under constant harvest nothing changes, and the test says so, with the power that this takes.

still = ews.models.harvested_lattice(n=100, harvest=1.0, seed=1)
print(ews.detect_spatial(still, n_surrogates=499).verdict)

# %%
# Maps of presence and absence have patches. Here a patch is where the population is below 4.5, shortly before the end.

sizes = ews.spatial.patch_sizes(-lattice.values[-3:], above=-4.5)
distribution = ews.spatial.patch_distribution([size for each in sizes for size in each])
print(distribution.summary())

# %%

distribution.plot()
