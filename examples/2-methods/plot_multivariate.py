"""
Several variables at once: which direction slows down?
======================================================

Near a loss of stability one direction in the space of the variables recovers ever more slowly. A variable that takes
little part in it hardly shows it; the vector autoregression of all of them together does.
"""

import numpy as np

import ews

# %%
# Three variables of one system. One mode of it slows down, steadily; the other two are fast and carry most of the
# variance.

rng = np.random.default_rng(1)
n = 600
modes = np.linalg.qr(rng.standard_normal((3, 3)))[0]
slow = np.linspace(0.3, 0.97, n)
x = np.zeros((n, 3))
for t in range(1, n):
    recovery = modes @ np.diag([slow[t], 0.3, 0.1]) @ modes.T
    x[t] = recovery @ x[t - 1] + modes @ (rng.standard_normal(3) * [0.4, 1.0, 1.0])

# %%
# The indicators, one by one, in a window of 200 samples. The leading eigenvalue of the Jacobian goes to 1.

residual = x - x.mean(axis=0)
jacobian = ews.multivariate.jacobian_eigenvalue(residual, window=200)
factor = ews.multivariate.maf_autocorrelation(residual, window=200)
own = ews.multivariate.largest_autocorrelation(residual, window=200)
for at in (199, 399, 599):
    print(f"t = {at}: Jacobian {jacobian[at]:.2f}, first MAF {factor[at]:.2f}, largest of the variables {own[at]:.2f}")

# %%
# The verdict: score tests along the modes, against surrogates of all three variables together, which keep their
# cross-correlations. The weights say which variables lead in the mode that slows down.

found = ews.detect_multivariate({"algae": x[:, 0], "grazers": x[:, 1], "oxygen": x[:, 2]}, n_surrogates=299)
print(found.summary())

# %%
# Variables and residuals in standard deviations; what drifts; each indicator with the band of its surrogates.

found.plot()
