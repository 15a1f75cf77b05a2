"""
Which bifurcation lies ahead: the shape of the spectrum
=======================================================

Three populations lose resilience on the way to three kinds of bifurcation. Their fluctuations grow in all three; the
spectrum tells them apart: slow for a fold, alternating for a flip, at a frequency of its own for a Hopf bifurcation.
"""

import ews
from ews import bifurcations

series = {
    "fold": ews.models.harvested_population(n=600, seed=1),
    "flip": ews.models.ricker(n=600, growth=(1.2, 2.05), seed=1),
    "Hopf": ews.models.hopf(n=600, seed=1),
}

# %%
# Each record ends where the transition is. The weights are Akaike's; p says how often series drawn from a rival, as
# fitted, favour the best model as much.

results = {name: bifurcations.spectral(one, until=one.transition, seed=1) for name, one in series.items()}
for name, result in results.items():
    print(f"{name}: {result.kind}, decided: {result.decided}")

# %%
# The report names every choice.

print(results["Hopf"].summary())

# %%
# The figure shows the weights through time, and the spectrum of the whole record with the four fits.

results["Hopf"].plot()
