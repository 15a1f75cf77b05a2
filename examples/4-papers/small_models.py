"""
Models and tasks of these examples
==================================

What the scripts of this section share: a decoder with text of its own, an encoder with rows to classify, and the
interval of a difference.
"""

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, BertConfig, BertModel, LlamaConfig, LlamaForCausalLM

from adapters.texts.continuations import Continuation

torch.set_num_threads(1)  # the matrices are small: more threads only wait for each other

# %%
# A local model, if there is one, goes on writing from its first token, each word drawn: texts to train on and texts to
# measure on are both its own.
#
# Else a small model learns a language of 12 words. After an even word the next one depends on the last two, after an
# odd one on the last three, and one word in ten is drawn at random.

WORDS = 12


def sentences(count: int, *, length: int = 24, seed: int) -> torch.Tensor:
    table = torch.randint(WORDS, (WORDS, WORDS), generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(seed)
    words = [torch.randint(WORDS, (count,), generator=generator) for _ in range(3)]
    while len(words) < length:
        third, second, last = words[-3:]
        following = table[second, last] + torch.where(last % 2 == 0, 0, third)
        drawn = torch.randint(WORDS, (count,), generator=generator)
        words.append(torch.where(torch.rand(count, generator=generator) < 0.1, drawn, following % WORDS))
    return torch.stack(words, dim=1)


def small_decoder(layers: int, *, steps: int = 300) -> LlamaForCausalLM:
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=WORDS + 1, hidden_size=48, intermediate_size=192, num_hidden_layers=layers, num_attention_heads=4,
        bos_token_id=None, eos_token_id=None, pad_token_id=WORDS,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for step in range(steps):
        words = sentences(16, seed=100 + step)
        loss = model(words, labels=words).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
    print(f"a decoder of {layers} small layers: loss {loss.item():.2f} after {steps} steps")
    return model.eval()


def local_model(name: str) -> Path | None:
    folder = Path(os.environ.get("EARLYWARNING_MODELS", "")) / name
    return folder if "EARLYWARNING_MODELS" in os.environ and folder.is_dir() else None


def decoder_with_texts(layers: int, *, train: int, test: int, length: int = 32):
    """A decoder, texts to train on, and texts to measure on: a short prompt each, and what follows."""
    folder = local_model("stories15m")
    if folder is None:
        model, prompt = small_decoder(layers), 3
        rows = sentences(train + test, length=24, seed=7)
    else:
        print("stories15m, on stories that it wrote")
        model, prompt, train = AutoModelForCausalLM.from_pretrained(folder).eval(), 4, train // 3  # it is larger
        torch.manual_seed(7)
        begin = torch.full((train + test, 1), model.config.bos_token_id)
        rows = model.generate(begin, do_sample=True, min_new_tokens=length, max_new_tokens=length, pad_token_id=0)
    texts = [Continuation(row.numpy(), prompt) for row in rows]
    return model, texts[:train], texts[train:]


# %%
# Rows to classify: eight slots. The first holds the answer, or names the slot to look into next, and so on for up to
# three steps. What the other slots hold leads nowhere, and one label in twenty is drawn anew. A step takes about a
# layer of attention, so rows differ in the layers that they need.

SLOTS, CLASSES = 8, 4
_FIRST_CLASS = 2 + SLOTS  # tokens: 0 pads, 1 begins, then the slots' names, then the classes


def labelled_rows(count: int, *, seed: int) -> tuple[dict[str, torch.Tensor], list[int], np.ndarray]:
    """Rows for an encoder, their labels, and how many steps each takes."""
    random = np.random.default_rng(seed)
    slots = random.integers(2, _FIRST_CLASS + CLASSES, size=(count, SLOTS))
    truth, steps = random.integers(CLASSES, size=count), random.integers(4, size=count)
    for row, answer, many in zip(slots, truth, steps, strict=True):
        path = [0, *random.permutation(np.arange(1, SLOTS))[:many]]
        for here, there in pairwise(path):
            row[here] = 2 + there
        row[path[-1]] = _FIRST_CLASS + answer
    anew = random.random(count) < 0.05
    labels = np.where(anew, random.integers(CLASSES, size=count), truth)
    ids = np.concatenate([np.ones((count, 1), dtype=np.int64), slots], axis=1)
    return {"input_ids": torch.from_numpy(ids)}, labels.tolist(), steps


def small_encoder(*, steps: int = 600, layers: int = 6) -> BertModel:
    """A BERT that was trained to answer after each of its layers, later ones weighing more."""
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=_FIRST_CLASS + CLASSES, hidden_size=64, intermediate_size=128, num_hidden_layers=layers,
        num_attention_heads=4, max_position_embeddings=16, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        initializer_range=0.1,
    )  # fmt: skip
    model = BertModel(config, add_pooling_layer=False)
    heads = torch.nn.ModuleList(torch.nn.Linear(64, CLASSES) for _ in range(layers))
    optimiser = torch.optim.AdamW([*model.parameters(), *heads.parameters()], lr=1e-3)
    for step in range(steps):
        inputs, labels, _ = labelled_rows(64, seed=1000 + step)
        states = model(**inputs, output_hidden_states=True).hidden_states[1:]
        wanted = torch.tensor(labels)
        losses = [
            torch.nn.functional.cross_entropy(head(state[:, 0]), wanted)
            for head, state in zip(heads, states, strict=True)
        ]
        weight = torch.arange(1.0, layers + 1) ** 4
        loss = (torch.stack(losses) * weight / weight.sum()).sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
    print(f"an encoder of {layers} small layers: loss {loss.item():.2f} after {steps} steps")
    return model.eval()


# %%
# Rules are compared at the same mean depth: between the two settings around it, rows are divided.


def settings_around(curve, wanted):
    """The two settings of a rule, each with its depths last, around a mean depth; the share of rows of the second."""
    curve = sorted(curve, key=lambda each: each[1].mean())
    depths = np.array([each.mean() for _, each in curve])
    upper = int(np.clip(np.searchsorted(depths, wanted), 1, len(curve) - 1))
    between = (wanted - depths[upper - 1]) / max(depths[upper] - depths[upper - 1], 1e-9)
    return (curve[upper - 1], curve[upper]), float(np.clip(between, 0, 1))


# %%
# A claim is a difference that should be above zero. What is drawn again are texts (or rows): their tokens err together.


def interval(values: np.ndarray, groups: np.ndarray | None = None) -> tuple[float, float, float]:
    """Mean, and its interval of 95 % over groups that are drawn again."""
    _, at = np.unique(np.arange(len(values)) if groups is None else groups, return_inverse=True)
    sums, counts = np.bincount(at, values), np.bincount(at)
    drawn = np.random.default_rng(0).integers(len(sums), size=(1000, len(sums)))
    low, high = np.quantile(sums[drawn].sum(1) / counts[drawn].sum(1), (0.025, 0.975))
    return float(np.mean(values)), float(low), float(high)


def say(claim: str, difference: tuple[float, float, float], unit: str, n: int) -> str:
    """Whether a claim holds here, in words."""
    mean, low, high = difference
    verdict = "holds here" if low > 0 else "does NOT hold here: the opposite does" if high < 0 else "is NOT shown here"
    line = f"{claim}: {verdict} ({mean:+.3f} {unit}, 95 % interval {low:+.3f} to {high:+.3f}, n = {n})"
    print(line)
    return line
