"""
Watching a record as it grows
=============================

A monitor learns a series from its first observations, and then asks of each further one whether its memory drifts. The
only choice is how many observations may lie between two false alarms.
"""

import json

import numpy as np

import ews

# %%
# A population that is harvested ever more, up to its fold, beside one whose harvest stays as it is.

rising = ews.models.harvested_population(n=1500, seed=4)
steady = ews.models.harvested_population(n=1500, harvest=1.0, seed=5)
end = int(rising.transition)
both = {"rising": rising.values[:end], "steady": steady.values[:end]}

monitor = ews.Monitor(average_run_length=10_000, tests=("memory towards +1",))
found = monitor.update_many(both)
print(found.summary())
for alarm in found.alarms:
    print(alarm.reason, f"({end - alarm.index} observations before the transition)")

# %%
# The series, the alarms, and the evidence against its limit.

found.plot()

# %%
# Observations may as well come one by one, with gaps and times of their own; the monitor can be put away and taken
# up again, bit for bit.

monitor = ews.Monitor(average_run_length=10_000)
for value in both["rising"][:400]:
    state = monitor.update(np.nan if value < 1.0 else value)
again = ews.Monitor.from_dict(json.loads(json.dumps(monitor.to_dict())))
print(again, state.reasons)
