"""
Which bifurcation is ahead? The learned classifier
==================================================

A small network has learned from simulated systems what the approach to each bifurcation looks like in a residual. Its
probabilities are calibrated; the evidence is held against surrogates of the series as well, which owes nothing to the
training.
"""

import ews

# %%
# A population with distinct generations, whose growth rate rises until its numbers begin to alternate.

fish = ews.models.ricker(n=400, seed=1)
result = ews.bifurcations.classifier(fish, until=fish.transition, n_surrogates=199)
print(result.summary())

# %%
# Each column of the lower panel is what could be known at that time: the record so far, detrended by itself.

result.plot()
