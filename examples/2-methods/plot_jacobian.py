"""
Which bifurcation? The eigenvalue of the S-map Jacobian
=======================================================

Fast indicators say that something slows down; they do not say towards what. The dynamical eigenvalue of Grziwotz and
others estimates the leading eigenvalue of the dynamics in each window: its modulus says how near a bifurcation is, its
place in the complex plane which one it would be.
"""

import ews

# %%
# A consumer and its resource approach a Hopf bifurcation. The eigenvalue is a complex pair that moves to the unit
# circle.

cycle = ews.models.hopf(n=300, seed=1)
result = ews.bifurcations.jacobian(cycle, until=cycle.transition, n_surrogates=99)
print(result.summary())

# %%

result.plot()

# %%
# Ricker's population approaches a period doubling: the eigenvalue goes through 0 towards -1. The harvested population
# approaches a fold, and its eigenvalue goes towards +1.

for model in (ews.models.ricker, ews.models.harvested_population):
    simulation = model(n=300, seed=1)
    found = ews.bifurcations.jacobian(simulation, until=simulation.transition, n_surrogates=0)
    print(f"{simulation.bifurcation}: ν = {found.real[-1]:+.2f}, read as {found.kind}")
