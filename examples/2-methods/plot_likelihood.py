"""
Is the rate of return falling? A likelihood ratio
=================================================

Windowed indicators ask whether a number rises. The likelihood ratio of Boettiger and Hastings asks whether a model that
approaches a saddle-node explains the record better than one in which nothing changes, and tests the answer by drawing
records from both.
"""

import numpy as np

import ews

# %%
# A population of about 100 whose rate of return falls from 2 to 0.05 per unit of time over 150 observations, because
# the distance to a saddle-node, which goes as the square of that rate, falls at constant speed.

generator = np.random.default_rng(11)
fine = 20  # Euler steps between observations
rates = np.sqrt(np.linspace(2.0**2, 0.05**2, 150 * fine))
x = np.zeros(rates.size)
for i in range(1, x.size):
    x[i] = x[i - 1] * (1 - rates[i] / fine) + 4.0 * np.sqrt(1 / fine) * generator.standard_normal()
population = 100 + x[::fine]

result = ews.bifurcations.likelihood(population, n_bootstrap=200)
print(result.summary())

# %%
# The panels show the record with the fitted levels; the rate of return of both fits; the ratios of records drawn from
# each; and how well the ratio tells the two apart.

result.plot()

# %%
# Backwards, the same record moves away from the saddle-node. The test looks for an approach, and so finds nothing. The
# original form of the statistic, which lets the rate change either way, does not tell the two apart.

backwards = ews.bifurcations.likelihood(population[::-1], n_bootstrap=0)
print(f"approach: D = {backwards.ratio_towards:.2f}; either way: D = {backwards.ratio_free:.2f}")
