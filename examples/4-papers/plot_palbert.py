"""
PALBERT: leaving by a quantile, or by a draw
============================================

PonderNet draws after each layer whether to stop; PALBERT stops where a row would have stopped with a probability above
a half, the Q-exit :cite:p:`balagansky2022,banino2021`. Published: the Q-exit is the better one, and its answer does not
change from run to run. Tried here, at the same mean number of layers, with PABEE :cite:p:`zhou2020` beside it.
"""

import numpy as np
from matplotlib.figure import Figure
from small_models import interval, labelled_rows, say, settings_around, small_encoder

from adapters.encoders import EarlyExitClassifier, NeverLeave, PabeePolicy, PonderPolicy

# %%
# One encoder for all. It stays as it is; heads and halting network are trained on what it says after each layer.

encoder = small_encoder()
inputs, labels, _ = labelled_rows(2000, seed=1)
unseen, truth, steps = labelled_rows(2000, seed=2)
truth = np.array(truth)


def tried(classifier, policy):
    """Which rows are right, and after how many layers each left."""
    classifier.policy = policy
    right = classifier.predict(unseen) == truth
    return right.astype(float), classifier.report().depths


# %%
# The prior says how early to leave: three of them give three halting networks. Each is sampled twenty times, and the
# quantile is chosen that comes nearest to the same mean depth; between the two nearest, rows are divided so that the
# means are equal.

DRAWS = 20


def at_depth(curve, wanted):
    """Expected correctness of each row, at a mean depth."""
    (low, high), weight = settings_around(curve, wanted)
    return (1 - weight) * low[0] + weight * high[0]


found = {}
for rate in (0.1, 0.3, 0.5):
    palbert = EarlyExitClassifier(encoder, system="palbert", training={"rate": rate}, batch_size=500)
    palbert.fit(inputs, labels, epochs=15)
    curve = [tried(palbert, PonderPolicy(q=q)) for q in np.linspace(0.0, 1.0, 21)]
    drawn = [tried(palbert, PonderPolicy(exit="sample", seed=seed)) for seed in range(DRAWS)]
    half = tried(palbert, PonderPolicy())
    sampled, depth = np.mean([right for right, _ in drawn], axis=0), np.mean([depth for _, depth in drawn])
    again = [tried(palbert, PonderPolicy())[0].mean() for _ in range(3)]
    found[rate] = curve, drawn, half
    print(f"prior {rate}: the draw leaves after {depth:.2f} layers on average, q = 0.5 after {half[1].mean():.2f}")
    say("  Q-exit beats the draw at this depth", interval(at_depth(curve, depth) - sampled), "of accuracy", len(truth))
    changes = np.mean([np.var([right[row] for right, _ in drawn]) for row in range(len(truth))])
    print(f"  variance of a row's answer being right, over draws: {changes:.4f}; of the Q-exit {np.var(again):.4f}")

# %%
# PABEE, a head after each layer, waits until the answer stands still.

pabee = EarlyExitClassifier(encoder, system="pabee", batch_size=500).fit(inputs, labels, epochs=15)
patient = [tried(pabee, PabeePolicy(patience=patience)) for patience in range(1, 5)]
print(f"all layers, heads of PABEE: {tried(pabee, NeverLeave())[0].mean():.3f}")
curve = found[0.3][0]  # the prior in the middle, fixed beforehand
for patience, (right, depth) in enumerate(patient, start=1):
    claim = f"Q-exit beats PABEE with patience {patience} at {depth.mean():.2f} layers"
    say(claim, interval(at_depth(curve, depth.mean()) - right), "of accuracy", len(truth))

# %%
# Each cross is a run of the draw.

figure = Figure(figsize=(6.5, 4.2), layout="constrained")
axes = figure.subplots()
for (rate, (curve, drawn, half)), colour in zip(found.items(), ("#0072b2", "#009e73", "#cc79a7"), strict=True):
    curve = sorted(curve, key=lambda each: each[1].mean())
    axes.plot(*np.array([(d.mean(), r.mean()) for r, d in curve]).T, color=colour, label=f"Q-exit, prior {rate}")
    axes.plot(half[1].mean(), half[0].mean(), "o", color=colour)
    axes.plot(*np.array([(d.mean(), r.mean()) for r, d in drawn]).T, "x", color=colour, alpha=0.6)
axes.plot([], [], "o", color="0.3", label="q = 0.5")
axes.plot([], [], "x", color="0.3", label="the draw, run by run")
axes.plot(*np.array([(d.mean(), r.mean()) for r, d in patient]).T, "s--", color="#d55e00", label="PABEE")
axes.set(xlabel="layers that a row runs on average", ylabel="accuracy")
axes.legend(frameon=False)
