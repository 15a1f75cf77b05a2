"""
PABEE: leaving once the answer stands
=====================================

Usually a row leaves where a head is sure. PABEE waits instead until the answer has stayed the same over some more
layers, its patience :cite:p:`zhou2020`. Published: at equal cost that is more accurate than thresholds on how sure
heads are, and more accurate than running all layers, which think some answers over until they are wrong. Both tried
here.
"""

import numpy as np
from matplotlib.figure import Figure
from small_models import interval, labelled_rows, say, settings_around, small_encoder

from adapters.encoders import ConfidenceExit, EarlyExitClassifier, EntropyExit, FixedDepthExit, NeverLeave, PabeePolicy

# %%
# One encoder, and a head after each of its layers; all rules read the same heads.

encoder = small_encoder()
inputs, labels, _ = labelled_rows(2000, seed=1)
unseen, truth, _ = labelled_rows(2000, seed=2)
truth = np.array(truth)
classifier = EarlyExitClassifier(encoder, system="pabee", batch_size=500).fit(inputs, labels, epochs=15)
LAYERS = encoder.config.num_hidden_layers


def tried(policy):
    """Which rows are right, and after how many layers each left."""
    classifier.policy = policy
    right = classifier.predict(unseen) == truth
    return right.astype(float), classifier.report().depths


whole = tried(NeverLeave())
patient = {patience: tried(PabeePolicy(patience=patience)) for patience in range(1, LAYERS - 1)}
sure = [tried(ConfidenceExit(threshold=threshold)) for threshold in (1.01, *(1 - np.geomspace(1e-4, 0.7, 40)))]
settled = [tried(EntropyExit(threshold=threshold)) for threshold in (0.0, *np.geomspace(1e-3, 1.4, 40))]

# %%
# Held against thresholds at the same mean depth, and against all layers.


def at_depth(curve, wanted):
    """Expected correctness of each row, at a mean depth."""
    (low, high), weight = settings_around(curve, wanted)
    return (1 - weight) * low[0] + weight * high[0]


for patience, (right, depths) in patient.items():
    print(f"patience {patience}, {depths.mean():.2f} layers: accuracy {right.mean():.3f}, all {whole[0].mean():.3f}")
    for name, curve in (("confidence", sure), ("entropy", settled)):
        gain = interval(right - at_depth(curve, depths.mean()))
        say(f"  patience beats {name} at this depth", gain, "of accuracy", len(truth))
    say("  patience beats all layers", interval(right - whole[0]), "of accuracy", len(truth))

# %%
# How much is there to win? After each layer: rows that a head has right and the last layer has not, and the reverse.

each = [tried(FixedDepthExit(depth=depth))[0] for depth in range(1, LAYERS)]
lost = [float((right > whole[0]).mean()) for right in each]
won = [float((right < whole[0]).mean()) for right in each]
print("thought over until wrong, by layer:", " ".join(f"{share:.3f}" for share in lost))
most = np.maximum.reduce(each) > whole[0]  # a rule that knew the answers would leave there
print(f"accuracy that any rule could win over all layers: {most.mean():.3f}")

# %%
# A square is a patience; thresholds can be set anywhere on their lines.

figure = Figure(figsize=(9, 4), layout="constrained")
axes, beside = figure.subplots(1, 2)
for curve, colour, style, label in ((sure, "#0072b2", "-", "confidence"), (settled, "#009e73", "--", "entropy")):
    points = sorted((depths.mean(), right.mean()) for right, depths in curve)
    axes.plot(*np.array(points).T, style, color=colour, label=label)
points = [(depths.mean(), right.mean()) for right, depths in patient.values()]
axes.plot(*np.array(points).T, "s--", color="#d55e00", label="PABEE, patience from 1 on")
axes.axhline(whole[0].mean(), color="0.6", linestyle=":", label="all layers")
axes.set(xlabel="layers that a row runs on average", ylabel="accuracy")
axes.legend(frameon=False)
layers = np.arange(1, LAYERS)
beside.bar(layers - 0.2, lost, 0.4, color="#d55e00", label="right here, wrong after the last layer")
beside.bar(layers + 0.2, won, 0.4, color="0.7", label="wrong here, right after the last layer")
beside.set(xlabel="layer", ylabel="share of rows", xticks=layers)
beside.legend(frameon=False, loc="center right")
