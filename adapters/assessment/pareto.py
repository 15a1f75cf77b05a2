"""Policies side by side on one model: what each costs, measured, and how far it keeps to the full model."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import StoppingCriteria, StoppingCriteriaList

from adapters.decoding.contract import Policy
from adapters.decoding.report import Report
from adapters.families import family_of
from adapters.texts.continuations import Continuation
from adapters.texts.forcing import forced_replay
from adapters.texts.reading import pad_token
from adapters.texts.replaying import Replay, replay
from ews.errors import ArgumentError, UnknownNameError, ValueRangeError, described

__all__ = ["DENSE", "ParetoRow", "forced_replay", "front", "pareto", "pareto_table"]

DENSE = "dense"


@dataclass(frozen=True, slots=True)
class ParetoRow:
    """One policy in one setting on one model.

    Attributes
    ----------
    setting : str
        Its name in what was compared; "dense" for the model without a policy.
    policy : str
        Its class; "dense" for none.
    unit, cache : str
        What it leaves out, and how the cache is kept; "" for none.
    agreement : float or None
        Share of tokens that are those of the full model, given the same text before them. None where no texts were
        given.
    perplexity : float or None
        Of text that the full model wrote, under the policy.
    free_agreement : float
        Share of tokens that are those of the full model at the same place when both write on freely. What differs
        once mostly differs ever after, so that this is the hardest of the three.
    tokens_per_second : float
        Tokens decoded by the median time over the repeats, after the first token of each prompt.
    time_share : float
        Median over the repeats of the policy's decoding time by the full model's in the same repeat.
    time_low, time_high : float
        The least and the largest of these.
    layers_per_token, ffn_blocks_per_token, heads_per_token : float
        Layers, feed-forward blocks and full heads run for each token, completions included.
    deciding_share, prediction_share : float
        Share of the engine's time that went into deciding, and into exit-head predictions.
    tokens : int
        How many were decoded in each repeat.
    """

    setting: str
    policy: str
    unit: str
    cache: str
    agreement: float | None
    perplexity: float | None
    free_agreement: float
    tokens_per_second: float
    time_share: float
    time_low: float
    time_high: float
    layers_per_token: float
    ffn_blocks_per_token: float
    heads_per_token: float
    deciding_share: float
    prediction_share: float
    tokens: int

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers and strings, for :func:`json.dumps`."""
        return asdict(self)


def pareto(
    model: Any,
    policies: Mapping[str, Policy],
    *,
    prompts: Sequence[Sequence[int]],
    replay_texts: Sequence[Continuation] = (),
    new_tokens: int = 48,
    repeats: int = 3,
    stepwise: Collection[str] = (),
    clock: Callable[[], float] = time.perf_counter,
    progress: Callable[[int, int], object] | None = None,
) -> list[ParetoRow]:
    """Compare policies with the full model, and with each other.

    Every prompt is decoded by the model without a policy and by each policy in turn, in an order that rotates, so that
    what else the machine does falls on all of them alike. Decoding is greedy, one prompt at a time, and goes on for as
    many tokens as were asked for. Time runs from the first token, which comes from the prompt, to the last.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A causal language model.
    policies : mapping of str to Policy
        Setting → policy.
    prompts : sequence of sequences of int
        Token ids that are timed.
    replay_texts : sequence of Continuation, optional
        Text that the full model wrote (:func:`adapters.full_model_continuations`), for agreement and perplexity;
        default none, which leaves the two out.
    new_tokens : int, default 48
        How many tokens are decoded after each prompt, the first one included.
    repeats : int, default 3
        How often all of it is timed.
    stepwise : collection of str, optional
        Settings whose agreement is measured by decoding token by token, which takes longer than a replay. That of
        policies that go by the step (:attr:`adapters.Policy.goes_by_step`) is anyway.
    clock : callable, default time.perf_counter
        What tells the time, in seconds. On a processor that others use ``time.process_time``, with one thread
        (``torch.set_num_threads(1)``), leaves out what the machine gave to them.
    progress : callable, optional
        Called with how much is done, and how much there is.

    Returns
    -------
    list of ParetoRow
        The model without a policy first, then the policies in their order.

    Raises
    ------
    ews.errors.ArgumentError
        If there is nothing to time, a name is not among the policies, or a number is too small.
    """
    _require(policies, prompts, new_tokens, repeats, stepwise)
    depth = family_of(model).depth
    settings = [DENSE, *policies]
    steps, done = repeats * len(prompts) * len(settings) + len(policies), 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, steps)

    replays: dict[str, Replay] = {}
    for name, policy in policies.items():
        if replay_texts:
            measured = forced_replay if name in stepwise else replay
            replays[name] = measured(model, policy, replay_texts)
        advance()
    runs = {name: _Runs(np.zeros((repeats, len(prompts)))) for name in settings}
    for name in settings:  # what is made on first use is made here
        _decode(model, policies.get(name), prompts[0], min(new_tokens, 8), clock)
    for repeat in range(repeats):
        for place, prompt in enumerate(prompts):
            turn = (repeat * len(prompts) + place) % len(settings)
            for name in settings[turn:] + settings[:turn]:
                plugged = policies.get(name)
                written, seconds = _decode(model, plugged, prompt, new_tokens, clock)
                runs[name].seconds[repeat, place] = seconds
                runs[name].written[place] = written
                if plugged is not None:
                    runs[name].reports.append(plugged.report())
                advance()
    return [_row(name, policies.get(name), runs, replays, depth) for name in settings]


def front(rows: Sequence[ParetoRow], *, quality: str = "agreement", cost: str = "time_share") -> list[ParetoRow]:
    """Rows that no other row beats in both quality and cost.

    Parameters
    ----------
    rows : sequence of ParetoRow
        All rows; those whose quality was not measured cannot be on the front.
    quality : {"agreement", "free_agreement"}, default "agreement"
        What should be large.
    cost : {"time_share", "layers_per_token", "ffn_blocks_per_token"}, default "time_share"
        What should be small.

    Returns
    -------
    list of ParetoRow
        From cheap to dear.

    Raises
    ------
    ews.errors.UnknownNameError
        If a row has no such number.
    """
    for argument, given, names in (
        ("quality", quality, ("agreement", "free_agreement")),
        ("cost", cost, ("time_share", "layers_per_token", "ffn_blocks_per_token")),
    ):
        if given not in names:
            raise UnknownNameError(argument, given, names)
    known = [row for row in rows if getattr(row, quality) is not None]
    best, found = -np.inf, []
    for row in sorted(known, key=lambda each: (getattr(each, cost), -getattr(each, quality))):
        if getattr(row, quality) > best:
            best = getattr(row, quality)
            found.append(row)
    return found


def pareto_table(rows: Sequence[ParetoRow]) -> str:
    """The rows as text, a star before those on the front.

    Parameters
    ----------
    rows : sequence of ParetoRow
        From :func:`pareto`.

    Returns
    -------
    str
        A heading and one line for each row.
    """
    best = set(map(id, front(rows)))
    width = max(len("setting"), *(len(row.setting) for row in rows))
    heads = ("agree", "ppl", "free", "tok/s", "time", "layers", "feeds", "heads", "deciding", "looks")
    lines = [f"  {'setting':<{width}}" + "".join(f"{head:>9}" for head in heads)]
    for row in rows:
        cells = (
            "–" if row.agreement is None else f"{row.agreement:.1%}",
            "–" if row.perplexity is None else f"{row.perplexity:.2f}",
            f"{row.free_agreement:.1%}",
            f"{row.tokens_per_second:.1f}",
            f"{row.time_share:.3f}",
            f"{row.layers_per_token:.2f}",
            f"{row.ffn_blocks_per_token:.2f}",
            f"{row.heads_per_token:.2f}",
            f"{row.deciding_share:.1%}",
            f"{row.prediction_share:.1%}",
        )
        mark = "*" if id(row) in best else " "
        lines.append(f"{mark} {row.setting:<{width}}" + "".join(f"{cell:>9}" for cell in cells))
    return "\n".join(lines)


class _Clock(StoppingCriteria):
    """Sees when the first token is there; stops nothing."""

    def __init__(self, device: torch.device, seconds: Callable[[], float]) -> None:
        self.device, self.seconds, self.started = device, seconds, 0.0

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:  # noqa: ARG002 (as it is called)
        if not self.started:
            self.started = self.now()
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)

    def now(self) -> float:
        """When all that was asked of the device is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return self.seconds()


@dataclass(slots=True)
class _Runs:
    """What one setting did while it was timed."""

    seconds: np.ndarray[Any, np.dtype[np.float64]]  # repeats × prompts
    written: dict[int, list[int]] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)


def _generate(model: Any, ids: Tensor, new_tokens: int, **options: Any) -> Any:
    """Greedily, with `new_tokens` at most."""
    return model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        num_beams=1,
        max_new_tokens=new_tokens,
        pad_token_id=pad_token(model),
        **options,
    )


def _decode(
    model: Any, policy: Policy | None, prompt: Sequence[int], new_tokens: int, seconds: Callable[[], float]
) -> tuple[list[int], float]:
    """Tokens written after a prompt, and the seconds from the first to the last."""
    ids = torch.tensor([list(prompt)], device=model.device)
    clock = _Clock(ids.device, seconds)
    options: dict[str, Any] = {} if policy is None else {"custom_generate": policy}
    found = _generate(
        model,
        ids,
        new_tokens,
        min_new_tokens=new_tokens,
        stopping_criteria=StoppingCriteriaList([clock]),
        **options,
    )
    took = clock.now() - clock.started
    return found[0, ids.shape[1] :].tolist(), took


def _row(
    name: str, policy: Policy | None, runs: Mapping[str, _Runs], replays: Mapping[str, Replay], depth: int
) -> ParetoRow:
    own, dense = runs[name], runs[DENSE]
    seconds = own.seconds.sum(1)
    shares = seconds / dense.seconds.sum(1)
    decoded = sum(len(each) - 1 for each in own.written.values())
    same = sum(
        a == b for place, each in own.written.items() for a, b in zip(each[1:], dense.written[place][1:], strict=True)
    )
    any_replay = next(iter(replays.values()), None)
    seen = replays.get(name)
    if policy is None:
        agreement = None if any_replay is None else 1.0
        perplexity = None if any_replay is None else any_replay.full_model_perplexity
    else:
        agreement = None if seen is None else seen.agreement
        perplexity = None if seen is None else seen.perplexity
    return ParetoRow(
        setting=name,
        policy=DENSE if policy is None else type(policy).__name__,
        unit="" if policy is None else policy.unit,
        cache="" if policy is None else policy.cache,
        agreement=agreement,
        perplexity=perplexity,
        free_agreement=same / decoded,
        tokens_per_second=decoded / float(np.median(seconds)),
        time_share=float(np.median(shares)),
        time_low=float(shares.min()),
        time_high=float(shares.max()),
        tokens=decoded,
        **_means(own.reports, depth),
    )


def _means(reports: Sequence[Report], depth: int) -> dict[str, float]:
    """What reports say of a token on the whole; of the model without a policy there are none."""
    names = ("layers_per_token", "ffn_blocks_per_token", "heads_per_token")
    shares = ("deciding_share", "prediction_share")
    if not reports:
        return dict(zip(names + shares, (float(depth), float(depth), 1.0, 0.0, 0.0), strict=True))
    tokens, seconds = (np.array([getattr(each, name) for each in reports]) for name in ("tokens", "seconds"))
    weights = {**dict.fromkeys(names, tokens), **dict.fromkeys(shares, seconds)}
    return {
        name: float(np.average([getattr(each, name) for each in reports], weights=weight))
        for name, weight in weights.items()
    }


def _require(
    policies: Mapping[str, Policy],
    prompts: Sequence[Sequence[int]],
    new_tokens: int,
    repeats: int,
    stepwise: Collection[str],
) -> None:
    if DENSE in policies:
        raise ArgumentError("policies", described(f"a policy named {DENSE!r}"), "another name: the full model has it")
    for name in stepwise:
        if name not in policies:
            raise UnknownNameError("stepwise", name, policies)
    if not len(prompts) or not all(len(prompt) for prompt in prompts):
        raise ArgumentError("prompts", described("no prompt, or an empty one"), "one list of token ids or more")
    for argument, given, least in (("new_tokens", new_tokens, 2), ("repeats", repeats, 1)):
        if given < least:
            raise ValueRangeError(argument, given, f"{least} or more")
