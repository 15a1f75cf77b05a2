"""
Which method tells? ROC curves and lead times on a labelled collection
======================================================================

A method that warns is worth something if it stays silent where nothing happens. Here are sixty fish populations on
their way to collapse and sixty under constant harvest; each method gives each of them one score.
"""

import ews

# %%
# The records end at the fold. Functions join by name: here is the slope of the Langevin drift beside three indicators.

rising = ews.models.harvested_population(n=300, harvest=(1.0, 2.604), replicates=60, seed=1)
constant = ews.models.harvested_population(n=300, harvest=1.0, replicates=60, seed=2)
found = ews.evaluate([rising, constant], [True, False], methods=("variance", "ac1", "skewness", "langevin"))
print(found.summary())

# %%
# The curves show detections against false alarms over all thresholds; to the right, which share of the collapses had
# been warned of so long before.

found.plot()

# %%
# The answer depends on what the collapses are held against. Noise that grows louder has no slowing down in it, and
# takes the variance in; a step from outside takes the autocorrelation in.

benchmark = ews.benchmark(n=300, replicates=60, methods=("variance", "ac1"), n_times=1)
benchmark.plot()
