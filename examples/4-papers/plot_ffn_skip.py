"""
FFN-SkipLLM: feed-forward blocks, or whole layers
=================================================

Attention always runs and the cache stays exact; feed-forward blocks are left out where they hardly turn the state
:cite:p:`jaiswal2024`. Published: a quarter of the blocks can go, while methods that leave out whole layers collapse at
10 to 15 per cent. Tried here on a model that was not trained for either, without copying states.
"""

import numpy as np
from matplotlib.figure import Figure
from small_models import interval, local_model, say, sentences, small_decoder
from transformers import AutoModelForCausalLM, AutoTokenizer

from adapters import (
    FFNSkipPolicy,
    RandomFFNSkipPolicy,
    SkipDecodePolicy,
    UnifiedSkipPolicy,
    full_model_continuations,
    replay,
)

# %%
# Cold regions, threshold and blocks in turn are calibrated on some prompts; all is measured on what the full model
# writes after others.

folder = local_model("smollm2-135m")
if folder is None:
    model, tokenizer, length = small_decoder(16), None, 20
    prompts = sentences(48, length=4, seed=5).tolist()
else:
    print("smollm2-135m")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    length, subjects = 32, ("the sea", "a bridge", "bread", "the moon", "a clock", "rain", "a school", "glass")
    begins = ("A short story about {}:", "How would you explain {} to a child?", "Three facts about {}:")
    prompts = [begin.format(subject) for subject in subjects for begin in begins]
half = len(prompts) // 2
texts = full_model_continuations(model, prompts[half:], tokenizer=tokenizer, max_new_tokens=length)
depth = model.config.num_hidden_layers


def calibrated(share, k=None):
    return FFNSkipPolicy.calibrate(
        model, tokenizer, prompts[:half], skip_ratio=share, k=k, max_new_tokens=length, progress=False
    )


# %%
# Of feed-forward blocks a share of all blocks is left out, of layers a share of all layers. The controls of the first
# are blocks that are drawn at random.

quarter = calibrated(0.25)
out = sorted({round(0.1 * depth), round(0.15 * depth)})  # layers
rules = {
    "FFN-SkipLLM": [calibrated(0.15, quarter.k), quarter, calibrated(0.35, quarter.k)],
    "blocks at random": [RandomFFNSkipPolicy(rate=rate) for rate in (0.15, 0.25, 0.35)],
    "layers, evenly": [UnifiedSkipPolicy(speedup=depth / (depth - n + 0.5)) for n in out],
    "layers, a falling schedule": [
        SkipDecodePolicy(length=length, max_exit=depth, min_exit=depth - 2 * n) for n in out
    ],
}
found = {}
for name, policies in rules.items():
    for policy in policies:
        each = replay(model, policy, texts, batch_size=len(texts) if policy.promise.row_by_row else 1)
        share = 1 - (each.layers if "layers" in name else each.ffn_blocks).mean() / depth
        lost = each.full_model_log_likelihood - each.log_likelihood
        found.setdefault(name, []).append((share, lost, each))
        print(f"{name}: {share:.1%} left out, {lost.mean():+.3f} nats, agreement {each.agreement:.0%}")

# %%
# The claim, for each way of leaving out layers and each share of them.

blocks = found["FFN-SkipLLM"][1]
text, n = blocks[2].text, len(blocks[2].text)
for name, points in found.items():
    for share, lost, _ in points if "layers" in name else points[1:2]:
        if name != "FFN-SkipLLM":
            claim = f"blocks ({blocks[0]:.0%}) lose less than {name} ({share:.0%})"
            say(claim, interval(lost - blocks[1], text), "nats", n)

# %%
# What is lost, in nats a token of what the full model wrote.

figure = Figure(figsize=(6.5, 4.2), layout="constrained")
axes = figure.subplots()
styles = (("#0072b2", "o-"), ("#56b4e9", "x--"), ("#d55e00", "s-"), ("#e69f00", "^-"))
for (name, points), (colour, style) in zip(found.items(), styles, strict=True):
    mean, low, high = np.array([interval(lost, text) for _, lost, _ in points]).T
    at = [100 * share for share, _, _ in points]
    axes.errorbar(at, mean, (mean - low, high - mean), fmt=style, color=colour, capsize=3, label=name)
axes.axhline(0, color="0.4", linewidth=1, linestyle="--")
axes.set(xlabel="blocks, or layers, left out, per cent", ylabel="loss above the full model's, nats a token")
figure.legend(loc="outside upper center", ncols=2, frameon=False)
