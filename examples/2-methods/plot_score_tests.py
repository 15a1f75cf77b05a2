"""
What drifts, and towards which bifurcation
==========================================

Score tests of the whole record: does memory drift towards +1 or −1, is damping lost, does the noise grow?
"""

import ews

# %%
# A consumer and its resource, up to where they begin to cycle.

plankton = ews.models.hopf(n=300, seed=2)
scores = ews.score_tests(plankton, until=plankton.transition)
print(scores.summary())

# %%
# The paths of what may drift, with their intervals.

scores.plot()

# %%
# The same tests are behind the verdict of :func:`ews.detect`, which adds what they could have seen and the indicators.

print(ews.detect(plankton, until=plankton.transition).summary())
