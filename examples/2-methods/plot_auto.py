"""
One answer from all methods
===========================

``method="auto"`` tests the trends of the indicators, the evidence of the classifier and a sign of two states together,
in one joint test, and says what kind of warning there is, towards which bifurcation, and what it could have seen.
"""

import ews

# %%
# A consumer and its resource, up to where they begin to cycle.

plankton = ews.models.hopf(n=300, seed=2)
answer = ews.detect(plankton, until=plankton.transition, method="auto", n_surrogates=399)
print(answer.summary())

# %%
# Below the series and the probabilities through time: each statistic among its surrogates.

answer.plot()
