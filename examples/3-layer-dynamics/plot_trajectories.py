"""
What a token goes through, layer by layer
=========================================

A language model turns each token into a trajectory: a state after each layer. :func:`adapters.capture` reduces
these states, while the layers run, to a few numbers each, whose windowed statistics are those of :mod:`ews`. Do they
say in advance at which layer the model has made up its mind?
"""

import os
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

import ews
from adapters.trajectories import capture
from adapters.trajectory_plots import fan_figure, lead_figure

# %%
# With the environment variable ``EARLYWARNING_MODELS`` naming a folder that holds ``smollm2-135m``, that model reads a
# few sentences. Else a model of 12 small layers learns a language of 12 words in a few seconds. After an even word the
# next one depends on the last two; after an odd one, on the last three; and one word in ten is drawn at random.

WORDS = 12
torch.set_num_threads(1)  # the matrices are small: more threads only wait for each other
generator = torch.Generator().manual_seed(1)
table = torch.randint(WORDS, (WORDS, WORDS), generator=generator)


def sentences(count: int, length: int = 24) -> torch.Tensor:
    words = [torch.randint(WORDS, (count,), generator=generator) for _ in range(3)]
    while len(words) < length:
        third, second, last = words[-3:]
        following = table[second, last] + torch.where(last % 2 == 0, 0, third)
        drawn = torch.randint(WORDS, (count,), generator=generator)
        words.append(torch.where(torch.rand(count, generator=generator) < 0.1, drawn, following % WORDS))
    return torch.stack(words, dim=1)


def learned(steps: int = 160) -> LlamaForCausalLM:
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=WORDS, hidden_size=48, intermediate_size=96, num_hidden_layers=12, num_attention_heads=4
    )
    model = LlamaForCausalLM(config)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(steps):
        words = sentences(16)
        loss = model(words, labels=words).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    print(f"loss after {steps} steps: {loss.item():.2f} (guessing: {np.log(WORDS):.2f})")
    return model.eval()


folder = Path(os.environ.get("EARLYWARNING_MODELS", "")) / "smollm2-135m"
if folder.is_dir():
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    texts = [
        "The capital of France is Paris, the capital of Italy is Rome, and the capital of Spain is Madrid.",
        "Once upon a time there was a little girl who lived with her grandmother in a house near the forest.",
        "Water boils at 100 degrees and freezes at 0 degrees, unless it is under pressure or has salt in it.",
        "def fibonacci(n):\n    if n < 2:\n        return n\n    return fibonacci(n - 1) + fibonacci(n - 2)\n",
    ]
    window = 8
else:
    model, tokenizer, texts, window = learned(), None, sentences(64), 4

# %%
# One pass records every token at every layer. With ``lens=True`` the model's own norm and head read each state, which
# tells from which layer on a token's prediction stays what it is in the end.

found = capture(model, texts, tokenizer=tokenizer, window=window, lens=True)
print(found)
for layer, count in enumerate(np.bincount(found.settling())):
    print(f"settled at layer {layer:2d}: {count:4d} tokens")

# %%
# How the relative size of a layer's update is distributed, for the tokens that settle early and for the rest. The first
# layer writes on a bare embedding; its update, many times the others', is cut off in the figure. The table has it.

fan = fan_figure(found, "update_norm")
fan.axes[0].set_ylim(0, 1.5 * np.quantile(found.signal("update_norm")[:, 1:], 0.95))
print(found.to_frame().groupby("layer")[["cosine", "update_norm", "log_norm", "alignment"]].median().round(3))

# %%
# A signal is an array of tokens × layers that any function of the library takes.

variance = ews.variance(found.signal("update_norm"), window=window)
print("variance of the update norm, median over tokens:")
print(np.median(variance[:, window - 1 :], axis=0).round(4))

# %%
# The same statistics of all signals come at once. Does a variance below its usual level come before the settling of the
# lens? The bars alone would not tell, since a rule that always fires at the same layer leads most tokens too. The
# dashed line is what remains if each token is given the settling of any other; only what differs from it is a warning.

windowed = found.windowed()
usual = float(np.median(windowed.signal("update_norm_variance")))
leads = lead_figure(windowed, "update_norm_variance", threshold=usual, alarm="down")

# %%
# How much do they know of the layers to come? At the first layer with a full window, over the tokens that are still
# open there: rank correlation of each signal, and of each windowed statistic, with the layer of settling. The signals
# themselves are the control: a window must say more than its last value does.

at = max(windowed.first)
for trajectories in (found, windowed):
    still_open = trajectories.to_frame().query("layer == @at and settling > @at")
    correlation = still_open[[*trajectories.signals, "settling"]].corr(method="spearman")["settling"]
    print(f"layer {at}, {len(still_open)} tokens")
    print(correlation.drop("settling").round(2).to_string(), "\n")
