"""
Early warning one observation at a time
=======================================

A monitor sees each observation once, keeps its window, the reach of its smoother and a few numbers more, and says at
once whether the indicators have left what noise alone would do. Its thresholds hold for a whole horizon of watching:
the rate of false alarms is that of an alarm anywhere in it, not at each step.
"""

import json

import matplotlib.pyplot as plt
import numpy as np

import ews

# %%
# A population that is harvested ever more, up to its fold. Its first half is the reference: noise is fitted to it,
# and 499 references and horizons of such noise go through all that the monitor does.

population = ews.models.harvested_population(n=500, seed=4)
end = int(population.transition)
reference = 250

monitor = ews.IndicatorMonitor(window=40, detrend=None, indicators=("variance", "ac1"))
calibration = monitor.calibrate(population.values[:reference], horizon=end - reference, n_simulations=499)
print(calibration.sentence)
print({name: round(value, 2) for name, value in calibration.thresholds.items()})

# %%
# Then one observation after the other. The state says what was measured and why there is an alarm.

states = []
for value in population.values[reference:end]:
    state = monitor.update(value)
    if state.alarm and not any(one.alarm for one in states):
        print(f"observation {state.index}, {end - state.index} before the transition:", *state.reasons, sep="\n  ")
    states.append(state)

# %%
# The monitor can be put away and taken up again, bit for bit.

text = json.dumps(monitor.to_dict())
again = ews.IndicatorMonitor.from_dict(json.loads(text))
print(again, f"{len(text)} characters")

# %%

figure, (above, below) = plt.subplots(2, 1, figsize=(8, 5), sharex=True, layout="constrained")
index = [state.index for state in states]
above.plot(np.arange(end), population.values[:end], lw=0.8, color="0.3")
above.axvspan(0, reference, color="0.9", label="reference")
above.set_ylabel("population")
above.legend(loc="lower left", frameon=False)
for name, color in zip(monitor.config.indicators, ("C0", "C1"), strict=True):
    below.plot(index, [state.statistics[name] for state in states], color=color, label=name)
    below.axhline(calibration.thresholds[name], color=color, ls=":", lw=1)
below.set_ylabel("level, SD of the reference")
below.set_xlabel("observation")
below.legend(loc="upper left", frameon=False)
