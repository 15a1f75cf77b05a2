"""Is it worth while to leave layers out of this model, on this machine? Answered before anything is calibrated."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapters.assessment.ffn import FFNCheck, FixedFFNSkip, check_ffn
from adapters.assessment.result import LEAVE_ALONE, Gain, LensCheck, Suitability, SuitabilityConfig
from adapters.calibration.costs import Costs, Measured, measure_costs
from adapters.calibration.exits import candidate_depths, fit_head, window_for
from adapters.calibration.rules import choose_rules
from adapters.calibration.table import ExitTable, gather, trajectories_of
from adapters.decoding.contract import Policy
from adapters.errors import UnsupportedModelError
from adapters.families import Family, family_of
from adapters.heads.full import top_tokens
from adapters.heads.shortlist import ShortListHead
from adapters.texts.continuations import Continuation, full_model_continuations
from adapters.texts.reading import IntArray, read_texts
from adapters.texts.replaying import replay
from ews.errors import ArgumentError, ValueRangeError, described

__all__ = ["LEAVE_ALONE", "Suitability", "SuitabilityConfig", "Gain", "LensCheck", "assess"]

_TEXTS = 48  # at most
_LEAST_TEXTS, _LEAST_TOKENS, _LEAST_LAYERS = 12, 120, 5
_PROMPT = 96  # tokens of a prompt that are read
_CHARACTERS = 16  # more than a token has
_LENS_DEPTHS = 12  # at most, that a lens is fitted at
_LENS_BYTES = 2**29  # that the sums for them may take
_LENS_TOKENS = 192  # through the full head at every depth
_BLOCKS = 12  # feed-forward blocks that are left out one by one
_BLOCK_TEXTS = 6  # texts for that


def assess(
    model: Any,
    tokenizer: Any,
    texts: Sequence[Any],
    *,
    max_new_tokens: int = 32,
    tolerance: float = 0.05,
    seed: int = 0,
    progress: bool = True,
) -> Suitability:
    """Assess what early exit or FFN skips could gain on this model and this machine.

    The model continues some texts; a lens and a short-listed head are fitted on half of them, and the other half says
    how early heads are right, how little feed-forward blocks do, and what rules that may change a few tokens would
    save. Layers, head and predictions are timed for that. A model of 135 million weights takes about a minute on two
    processor cores. It is a check and not a calibration: nothing is promised of the risk, savings are those of layers
    and head, without what else ``generate`` does, and what is fitted to so few tokens is a little less right than
    what a calibration finds.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A causal language model with 5 layers or more.
    tokenizer : callable or None
        What makes tokens of strings.
    texts : sequence of str, or of sequences of int
        Prompts, 12 or more, of the kind that the model is to be used for; 48 of them are drawn, and the first 96 tokens
        of each are read.
    max_new_tokens : int, default 32
        How long continuations are at most.
    tolerance : float, default 0.05
        Share of tokens that may differ from those of the full model.
    seed : int, default 0
        Seed of the draw and of the split of the texts.
    progress : bool, default True
        Show on standard error what is being done.

    Returns
    -------
    Suitability
        Figures, and a verdict: "worth calibrating", or "leave this model alone" where the best that was found takes
        more than 0.97 of the full model's time.

    Raises
    ------
    ews.errors.ArgumentError
        If there are too few texts, the model says too little on them, or a number is out of range.
    adapters.errors.UnsupportedModelError
        If layers cannot be left out of this model.

    Examples
    --------
    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> config = LlamaConfig(
    ...     vocab_size=64, hidden_size=32, intermediate_size=32, num_hidden_layers=6, num_attention_heads=2,
    ...     eos_token_id=None, pad_token_id=0,
    ... )
    >>> model = LlamaForCausalLM(config).eval()
    >>> texts = [[first, second] for first in range(1, 5) for second in range(5, 8)]
    >>> found = assess(model, None, texts, max_new_tokens=12, progress=False)
    >>> found.verdict in ("worth calibrating", "leave this model alone")
    True
    """
    began = time.perf_counter()
    family = family_of(model)
    if family.depth < _LEAST_LAYERS:
        raise UnsupportedModelError("model", described(f"{family.depth} layers"), f"{_LEAST_LAYERS} layers or more")
    if not 0.0 < tolerance < 1.0:
        raise ValueRangeError("tolerance", tolerance, "above 0, below 1")
    drawn = _drawn(texts, tokenizer, family, seed)
    with _stages(progress) as stage:
        stage("continuing texts")
        written = full_model_continuations(model, drawn, max_new_tokens=max_new_tokens)
        decided = [each.decided for each in written]
        if sum(decided) < _LEAST_TOKENS:
            raise ArgumentError(
                "texts",
                described(f"texts on which the model says {sum(decided)} tokens before it ends"),
                f"texts and max_new_tokens that give {_LEAST_TOKENS} tokens or more",
            )
        fitting, reading = np.arange(len(written))[::2], np.arange(len(written))[1::2]  # drawn in a random order
        window = window_for(family.depth)
        asked = candidate_depths(family.depth, window)
        stage("fitting a lens")
        head = fit_head(family, written, fitting, _lens_depths(family, asked), lambda _done: None)
        stage("reading layers")
        table = gather(family, written, head, indices=reading, depths=asked, window=window)
        lens, settled = _check_lens(family, written, head, reading)
        stage("leaving out feed-forward blocks")
        blocks = np.unique(np.linspace(0, family.depth - 1, min(_BLOCKS, family.depth)).round().astype(int))
        ffn = check_ffn(family, written, indices=reading[:_BLOCK_TEXTS], layers=blocks.tolist())
        stage("timing")
        longest = max(written, key=lambda each: len(each.tokens))
        measured = measure_costs(family, head, longest.tokens, window=window)
        stage("weighing")
        gains = _gains(family, written, table, reading, lens, settled, ffn, measured, tolerance)
    config = SuitabilityConfig(
        texts=len(written),
        tokens=sum(decided),
        max_new_tokens=max_new_tokens,
        tolerance=tolerance,
        seed=seed,
        model_type=model.config.model_type,
        dtype=str(model.dtype).removeprefix("torch."),
        device=str(model.device),
        layers=family.depth,
        vocabulary=int(family.config.vocab_size),
        threads=torch.get_num_threads(),
    )
    seconds = time.perf_counter() - began
    return Suitability(config, measured.costs, measured.layer_seconds, lens, ffn, gains, seconds)


def _drawn(texts: Sequence[Any], tokenizer: Any, family: Family, seed: int) -> list[IntArray]:
    """Some of the texts in an order that means nothing, cut to what is read of them."""
    if not isinstance(texts, str):
        texts = list(texts)
        if len(texts) < _LEAST_TEXTS:
            raise ArgumentError("texts", described(f"{len(texts)} texts"), f"{_LEAST_TEXTS} or more")
        order = np.random.default_rng(seed).permutation(len(texts))[:_TEXTS]
        # Strings are cut twice: what is not read need not be tokenised.
        texts = [texts[index][: _PROMPT * (_CHARACTERS if isinstance(texts[index], str) else 1)] for index in order]
    return [tokens[:_PROMPT] for tokens in read_texts(texts, tokenizer, family, further=0)]


def _lens_depths(family: Family, asked: Sequence[int]) -> list[int]:
    """Depths that rules may predict at, and as many others as memory allows."""
    room = int(np.clip(_LENS_BYTES // (16 * family.width**2), 1, _LENS_DEPTHS))
    others = np.linspace(1, family.depth - 1, min(room, family.depth - 1)).round().astype(int)
    return sorted({*asked, *others.tolist()} - {family.depth})


@torch.no_grad()
def _check_lens(
    family: Family, written: Sequence[Continuation], head: ShortListHead, indices: IntArray
) -> tuple[tuple[LensCheck, ...], np.ndarray[Any, np.dtype[np.int64]]]:
    """What heads read at each depth, and from which depth on the better of the two stays right, token by token."""
    every = max(1, sum(written[index].decided for index in indices) // _LENS_TOKENS)
    raw: list[Tensor] = []
    tuned: list[Tensor] = []
    fitted = head.lens.depths if head.lens is not None else ()
    for _, states in trajectories_of(family, written, indices=indices):
        kept = [state[::every] for state in states]
        lens_tokens = torch.stack([top_tokens(family, state) for state in kept[1:]], dim=1)
        head_tokens = torch.stack([head.predict(kept[depth], depth).token for depth in (*fitted, family.depth)], dim=1)
        raw.append(lens_tokens == lens_tokens[:, -1:])
        tuned.append(head_tokens == lens_tokens[:, -1:])
    raw_right, tuned_right = torch.cat(raw).cpu().numpy(), torch.cat(tuned).cpu().numpy()
    shares = dict(zip((*fitted, family.depth), tuned_right.mean(0), strict=True))
    lens = tuple(
        LensCheck(depth, float(share), float(shares[depth]) if depth in shares else None)
        for depth, share in enumerate(raw_right.mean(0), start=1)
    )
    tuned_right[:, -1] = True  # there the full head can be asked
    places = np.array((*fitted, family.depth))
    return lens, np.minimum(_settled(raw_right, np.arange(1, family.depth + 1)), _settled(tuned_right, places))


def _settled(
    right: np.ndarray[Any, np.dtype[np.bool_]], depths: np.ndarray[Any, np.dtype[np.int64]]
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The first depth from which all that follow are right, for each row."""
    lasting = np.logical_and.accumulate(right[:, ::-1], axis=1).sum(1)
    return np.asarray(depths[len(depths) - lasting])


def _gains(
    family: Family,
    written: Sequence[Continuation],
    table: ExitTable,
    reading: IntArray,
    lens: Sequence[LensCheck],
    settled: np.ndarray[Any, np.dtype[np.int64]],
    ffn: Sequence[FFNCheck],
    measured: Measured,
    tolerance: float,
) -> tuple[Gain, ...]:
    costs, layers = measured.costs, family.depth
    full = costs.full_model(layers)

    def foresight(completion: float) -> float:
        left = settled + completion * (layers - settled)
        return float(np.minimum(left, layers).mean() / full)  # who knows all stays where leaving costs more

    last = ExitTable(
        table.text,
        (layers,),
        table.features[:, -1:],
        table.confidence[:, -1:],
        table.correct[:, -1:],
    )
    verified = _verified(lens, costs, layers)
    short = _reached(last, reading, costs, layers, tolerance)
    return (
        Gain("layer", "deferred", "short head alone", layers / full, *short),
        Gain(
            "layer",
            "deferred",
            "early exits",
            foresight(costs.completion),
            *_reached(table, reading, costs, layers, tolerance),
        ),
        Gain("layer", "propagate", "early exits", foresight(measured.projection), None, None),
        Gain("layer", "verify", "drafts, checked", *verified, 1.0),
        _ffn_gain(family, written, reading, ffn, costs, tolerance),
    )


def _reached(table: ExitTable, reading: IntArray, costs: Costs, layers: int, tolerance: float) -> tuple[float, float]:
    """Time and agreement of rules that are chosen on half of the texts and stated for the other, both ways round."""
    spent, agrees = [], []
    for chosen_on, stated_for in ((reading[::2], reading[1::2]), (reading[1::2], reading[::2])):
        known, fresh = table.of_texts(chosen_on), table.of_texts(stated_for)
        if not len(known.text) or not len(fresh.text):
            continue
        allowed = [
            rule for rule in choose_rules(known, costs, layers) if 1.0 - rule.outcome(known)[1].mean() <= tolerance
        ]
        if allowed:
            rule = min(allowed, key=lambda each: float(each.cost(known, costs, layers).mean()))
            spent.append(rule.cost(fresh, costs, layers))
            agrees.append(rule.outcome(fresh)[1])
        else:
            spent.append(np.full(len(fresh.text), costs.full_model(layers)))
            agrees.append(np.ones(len(fresh.text), dtype=bool))
    if not spent:
        return 1.0, 1.0
    return float(np.concatenate(spent).mean() / costs.full_model(layers)), float(np.concatenate(agrees).mean())


def _verified(lens: Sequence[LensCheck], costs: Costs, layers: int) -> tuple[float, float]:
    """Drafts from one depth, checked by the full model: with perfect drafts, and with those of the lens.

    A round of k drafts takes k + 1 passes through the first layers, k predictions, and one pass of k + 1 tokens through
    the layers above and the head; if each draft is right with probability a, independently, it gives 1 + a + … + aᵏ
    tokens (Leviathan et al. 2023, eq. 1).
    """

    def share(depth: int, right: float, drafts: int, prediction: float) -> float:
        wider = 1.0 + costs.completion * drafts
        spent = (drafts + 1) * depth + drafts * prediction + (layers - depth + costs.head) * wider
        tokens = sum(right**power for power in range(drafts + 1))
        return spent / tokens / costs.full_model(layers)

    lengths = range(1, Policy.drafts + 1)
    fitted = [(each.depth, each.tuned) for each in lens if each.tuned is not None and each.depth < layers]
    found = [share(depth, right, drafts, costs.prediction) for depth, right in fitted for drafts in lengths]
    best = min((share(1, 1.0, drafts, 0.0) for drafts in lengths), default=1.0)
    return min(best, 1.0), min((1.0, *found))


def _ffn_gain(
    family: Family,
    written: Sequence[Continuation],
    reading: IntArray,
    ffn: Sequence[FFNCheck],
    costs: Costs,
    tolerance: float,
) -> Gain:
    """The same blocks left out for every token, as far as the tolerance allows; at best each where nothing changes."""
    known = [(each.changed, each.layer) for each in ffn if each.changed is not None]
    full = costs.full_model(family.depth)
    spared = float(np.mean([1.0 - changed for changed, _ in known])) * family.depth
    best = 1.0 - spared * costs.ffn / full
    taken: list[int] = []
    chosen_on = [written[index] for index in reading[:_BLOCK_TEXTS]]
    for changed, layer in sorted(known):
        if changed > tolerance:
            break
        if taken and replay(family.model, FixedFFNSkip([*taken, layer]), chosen_on).agreement < 1.0 - tolerance:
            break
        taken.append(layer)
    agreement = 1.0
    fresh = [written[index] for index in reading[_BLOCK_TEXTS : 2 * _BLOCK_TEXTS] if written[index].decided]
    if taken and fresh:
        agreement = replay(family.model, FixedFFNSkip(taken), fresh).agreement
    return Gain("ffn", "exact", "feed-forward blocks", best, 1.0 - len(taken) * costs.ffn / full, agreement)


@contextmanager
def _stages(shown: bool) -> Iterator[Callable[[str], None]]:
    """What is being done, on standard error; nothing where that is no terminal."""
    if not shown:
        yield lambda _name: None
        return
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _name: None
        return
    with console.status("assessing") as status:
        yield lambda name: status.update(f"{name} …")
