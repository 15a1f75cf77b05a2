"""Duo-LLM: small feed-forward blocks beside a pretrained model, and a router that chooses among them and its own.

Three runs, none of which changes the model: the small blocks learn what the whole ones add; then to be of use on random
routes; then a router learns, for a budget, which token needs which.

References
----------
Alizadeh et al. (2024), Duo-LLM: A framework for studying adaptive computation in large language models,
arXiv:2410.10846.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from adapters._common.checks import read_count, read_share
from adapters._common.publish import public
from adapters.calibration.fingerprint import fingerprint
from adapters.errors import PolicyMismatchError
from adapters.families import Family, family_of
from adapters.heads.small_ffn import CHOICES, Router, SmallFFNs, SmallFFNShape
from adapters.texts.batch import LayerPass
from adapters.training.checkpoint import chance_of
from adapters.training.loop import History, count_steps, fit_modules
from adapters.training.registry import FitSettings
from adapters.training.texts import CausalBatch, require_texts
from adapters.training.tuning import load_parts, save_parts, summary, warm_cosine
from ews.errors import ArgumentError, InputTypeError, ValueRangeError, described

__all__ = ["Duo", "fit_duo", "fit_router", "fit_small_ffns", "load_duo", "routed_states", "train_duo", "whole_share"]

_RATE = 1e-3
_TYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
_CLIP = 1.0
_BIG, _SMALL = CHOICES.index("big"), CHOICES.index("small")

# Of a layer and the states of the decided tokens after its attention: what each choice weighs, shape (tokens, 3).
Routing = Callable[[int, Tensor], Tensor]


@public("adapters.training.duo")
@dataclass(frozen=True, slots=True)
class Duo:
    """Small blocks and router of a model, trained.

    Attributes
    ----------
    small : SmallFFNs
        The blocks.
    router : Router
        What chooses.
    base : str
        Fingerprint of the model.
    histories : mapping of str to History
        Of the three runs.
    share : float
        Mean share of whole blocks on the texts of the training, each token taking the likeliest choice.
    """

    small: SmallFFNs
    router: Router
    base: str
    histories: Mapping[str, History]
    share: float


def routed_states(family: Family, batch: CausalBatch, small: SmallFFNs, routing: Routing) -> Tensor:
    """The residual stream after the last layer, tokens after the prompt on routes, shape (texts, longest, width).

    Attention always runs, on what the routes of earlier tokens left. With weights of 0 and 1 this is what decoding
    under the same routes gives.

    Parameters
    ----------
    family : Family
        The model.
    batch : CausalBatch
        What it reads; prompts run in full.
    small : SmallFFNs
        The small blocks.
    routing : callable
        Weights of "big", "small" and "skip" for each decided token at a layer.

    Returns
    -------
    Tensor
        With gradients, where they are on.
    """
    layers = LayerPass(family, batch.batch)
    hidden = layers.embedded
    for index in range(family.depth):
        post_attention, attention = layers.halves(index, hidden)
        after = layers.second(index, post_attention, hidden, attention)
        before, whole = batch.batch.of_decided(post_attention), batch.batch.of_decided(after)
        weights = routing(index, before).to(before)
        mixed = before + weights[:, _BIG, None] * (whole - before)
        mixed = mixed + weights[:, _SMALL, None] * small(index, before).to(before)
        hidden = after.flatten(0, 1).index_copy(0, batch.batch.decided.to(after.device), mixed).view_as(after)
    return hidden


def fit_small_ffns(
    model: Any, data: Sequence[Any], small: SmallFFNs, *, fit: FitSettings | None = None, whole: float = 0.5
) -> dict[str, History]:
    """Train small blocks in place: first to add what the whole ones add, then on random routes.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The model, which stays as it is.
    data : sequence of Continuation
        Texts.
    small : SmallFFNs
        The blocks.
    fit : FitSettings, optional
        Epochs (of each of the two runs), rates, checkpoints (in folders of their own below the one given).
    whole : float, default 0.5
        How often a token takes the whole block on a random route.

    Returns
    -------
    dict of str to History
        Of "distil" and "random".

    Raises
    ------
    ews.errors.ArgumentError
        If a text cannot be trained on, or an argument is out of its range.
    """
    fit = fit or FitSettings()
    read_share("whole", whole)
    family = family_of(model)
    texts = require_decided(data, family)
    base = fingerprint(model)
    small.to(family.home)

    def distil(batch: CausalBatch, _step: int) -> Tensor:
        layers = LayerPass(family, batch.batch)
        hidden, found = layers.embedded, torch.zeros((), device=family.home)
        for index in range(family.depth):
            with torch.no_grad():
                post_attention, attention = layers.halves(index, hidden)
                hidden = layers.second(index, post_attention, hidden, attention)
                before, after = (batch.of_targets(each).float() for each in (post_attention, hidden))
                wanted = after - before
            error = (small(index, before) - wanted).square().mean() / wanted.square().mean().clamp(min=1e-12)
            found = found + error.to(found.device) / family.depth  # each layer's, beside what its block adds
        return found

    def random(batch: CausalBatch, _step: int) -> Tensor:
        def routing(_index: int, before: Tensor) -> Tensor:
            big = (torch.rand(len(before)) < whole).to(before.device, torch.float32)
            return torch.stack((big, 1 - big, torch.zeros_like(big)), 1)

        return batch.loss(family, routed_states(family, batch, small, routing))

    histories = {}
    with _frozen(model):
        for name, loss in (("distil", distil), ("random", random)):
            given = {"system": "duo", "stage": name, "base": base, "whole": whole, "shape": small.shape.to_dict()}
            histories[name] = _run(family, texts, loss, small, fit, given, fit.learning_rate or _RATE)
    return histories


def fit_router(
    model: Any,
    data: Sequence[Any],
    small: SmallFFNs,
    router: Router,
    *,
    fit: FitSettings | None = None,
    budget: float = 0.5,
    alpha: float = 10.0,
    temperature: tuple[float, float] = (1.0, 0.1),
    skip: bool = False,
) -> History:
    """Train a router in place, for a budget of whole blocks.

    Its choices are soft and harden as the temperature τ falls: softmax(logits / τ) weighs what the blocks add. The loss
    is the cross-entropy + α · (mean weight of whole blocks − budget)².

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The model, which stays as it is.
    data : sequence of Continuation
        Texts.
    small : SmallFFNs
        Trained blocks, which stay as they are.
    router : Router
        What is trained.
    fit : FitSettings, optional
        Epochs, rate, checkpoints (in a folder of their own below the one given).
    budget : float, default 0.5
        Share of whole blocks.
    alpha : float, default 10.0
        How much missing the budget costs.
    temperature : (float, float), default (1.0, 0.1)
        At the first step and at the last; geometric between.
    skip : bool, default False
        Whether a token may also run no block.

    Returns
    -------
    History
        Of the run.

    Raises
    ------
    ews.errors.ArgumentError
        If a text cannot be trained on, or an argument is out of its range.
    """
    fit = fit or FitSettings()
    read_share("budget", budget)
    read_share("alpha", alpha, high=1e9)
    first, final = temperature
    if not 0 < final <= first < math.inf:
        raise ValueRangeError("temperature", temperature, "two numbers above 0, the second no larger")
    family = family_of(model)
    texts = require_decided(data, family)
    total = count_steps(len(texts), batch_size=fit.batch_size, epochs=fit.epochs)
    small.to(family.home)
    router.to(family.home)

    def loss(batch: CausalBatch, step: int) -> Tensor:
        tau = first * (final / first) ** (step / max(total - 1, 1))
        shares: list[Tensor] = []

        def routing(index: int, before: Tensor) -> Tensor:
            weights = torch.softmax(_allowed(router(index, before), skip=skip) / tau, -1)
            shares.append(weights[:, _BIG].mean())
            return weights

        found = batch.loss(family, routed_states(family, batch, small, routing))
        return found + alpha * (torch.stack(shares).mean() - budget).square()

    given = {
        "system": "duo",
        "stage": "router",
        "base": fingerprint(model),
        "small": [float(each.detach().double().sum()) for each in small.parameters()],
        "budget": budget,
        "alpha": alpha,
        "temperature": [first, final],
        "skip": skip,
    }
    with _frozen(model), _frozen(small):
        return _run(family, texts, loss, router, fit, given, fit.learning_rate or 10 * _RATE)


@torch.no_grad()
def whole_share(
    model: Any, data: Sequence[Any], small: SmallFFNs, router: Router, *, skip: bool = False, batch_size: int = 8
) -> float:
    """Mean share of whole blocks where each token takes the router's likeliest choice."""
    family = family_of(model)
    texts, whole, count = require_decided(data, family), 0.0, 0

    def routing(index: int, before: Tensor) -> Tensor:
        nonlocal whole, count
        chosen = _allowed(router(index, before), skip=skip).argmax(-1)
        whole, count = whole + float((chosen == _BIG).sum()), count + len(chosen)
        return nn.functional.one_hot(chosen, len(CHOICES)).float()

    for start in range(0, len(texts), batch_size):
        routed_states(family, CausalBatch.of(texts[start : start + batch_size], family.home), small, routing)
    return whole / count


def fit_duo(
    model: Any,
    data: Sequence[Any],
    *,
    fit: FitSettings | None = None,
    ratio: int = 16,
    budget: float = 0.5,
    alpha: float = 10.0,
    skip: bool = False,
    router_epochs: int | None = None,
) -> Duo:
    """Train small blocks and a router for a model, which stays as it is.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A causal language model.
    data : sequence of Continuation
        Texts.
    fit : FitSettings, optional
        Epochs of each run, rates, checkpoints.
    ratio : int, default 16
        How much narrower the small blocks are.
    budget, alpha, skip
        As for :func:`fit_router`.
    router_epochs : int, optional
        Of the router (default: those of `fit`).

    Returns
    -------
    Duo
        What was trained.

    Raises
    ------
    ews.errors.ArgumentError
        If a text cannot be trained on, or an argument is out of its range.
    """
    fit = fit or FitSettings()
    if router_epochs is not None:
        read_count("router_epochs", router_epochs)
    family = family_of(model)
    with chance_of(fit.seed):
        small, router = SmallFFNs.for_family(family, ratio=ratio), Router.for_family(family)
    histories = fit_small_ffns(model, data, small, fit=fit)
    later = replace(fit, epochs=router_epochs or fit.epochs, learning_rate=None)
    histories["router"] = fit_router(model, data, small, router, fit=later, budget=budget, alpha=alpha, skip=skip)
    share = whole_share(model, data, small, router, skip=skip)
    return Duo(small, router, fingerprint(model), histories, share)


def train_duo(
    model: Any,
    data: Sequence[Any],
    *,
    folder: Path | str,
    fit: FitSettings | None = None,
    tokenizer: Any = None,  # noqa: ARG001  # the model stays as it is, and its folder where it is
    ratio: int = 16,
    budget: float = 0.5,
    alpha: float = 10.0,
    skip: bool = False,
    router_epochs: int | None = None,
) -> Mapping[str, Any]:
    """Train small blocks and a router for a model, which stays as it is, and write them.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A causal language model.
    data : sequence of Continuation
        Texts.
    folder : path
        Where they are written.
    fit : FitSettings, optional
        Epochs of each run, rates, checkpoints.
    tokenizer : object, optional
        Not used.
    ratio : int, default 16
        How much narrower the small blocks are.
    budget : float, default 0.5
        Share of whole blocks that the router is to choose on average.
    alpha : float, default 10.0
        How much a departure from it costs.
    skip : bool, default False
        Whether the router may choose no block at all.
    router_epochs : int, optional
        Of the router (default: those of `fit`).

    Returns
    -------
    mapping of str to object
        What was done, as plain values.

    Raises
    ------
    ews.errors.ArgumentError
        If a text cannot be trained on, or an argument is out of its range.

    Examples
    --------
    >>> import tempfile
    >>> from adapters import full_model_continuations, training
    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> config = LlamaConfig(
    ...     vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=4, num_attention_heads=2,
    ...     eos_token_id=None, pad_token_id=0,
    ... )
    >>> model = LlamaForCausalLM(config).eval()
    >>> texts = full_model_continuations(model, [[1, 2, 3], [4, 5]], max_new_tokens=6)
    >>> folder = tempfile.TemporaryDirectory()
    >>> found = training.train_duo(model, texts, folder=folder.name, ratio=4)
    >>> found["system"], sorted(found["training"]["runs"])
    ('duo', ['distil', 'random', 'router'])
    >>> folder.cleanup()
    """
    found = fit_duo(
        model, data, fit=fit, ratio=ratio, budget=budget, alpha=alpha, skip=skip, router_epochs=router_epochs
    )
    parts = {"small": found.small, "router": found.router}
    tensors = {
        f"{part}.{name}": each.detach().cpu().contiguous().clone()
        for part, module in parts.items()
        for name, each in module.state_dict().items()
    }
    words = {
        "shape": found.small.shape.to_dict(),
        "skip": skip,
        "budget": budget,
        "whole_share": found.share,
        "training": {"runs": {name: summary(each) for name, each in found.histories.items()}},
    }
    return save_parts(folder, tensors, system="duo", base=found.base, words=words)


def load_duo(folder: Path | str, model: Any) -> tuple[SmallFFNs, Router, bool]:
    """Small blocks and router that :func:`train` wrote for a model, and whether the router may choose no block.

    Parameters
    ----------
    folder : path
        Where they are.
    model : transformers.PreTrainedModel
        The model.

    Returns
    -------
    (SmallFFNs, Router, bool)
        On the model's device.

    Raises
    ------
    adapters.errors.PolicyMismatchError
        If they are for another model, or a file was changed or is missing.

    Examples
    --------
    >>> import tempfile
    >>> from adapters import full_model_continuations, training
    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> config = LlamaConfig(
    ...     vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=4, num_attention_heads=2,
    ...     eos_token_id=None, pad_token_id=0,
    ... )
    >>> model = LlamaForCausalLM(config).eval()
    >>> texts = full_model_continuations(model, [[1, 2, 3], [4, 5]], max_new_tokens=6)
    >>> folder = tempfile.TemporaryDirectory()
    >>> _ = training.train_duo(model, texts, folder=folder.name, ratio=4)
    >>> small, router, may_skip = training.load_duo(folder.name, model)
    >>> may_skip
    False
    >>> folder.cleanup()
    """
    family = family_of(model)
    words, tensors = load_parts(folder, model, system="duo")
    odd = [name for name, each in tensors.items() if each.dtype not in _TYPES or not each.isfinite().all()]
    if odd:
        raise PolicyMismatchError("folder", described(f"{odd[0]} of numbers that are not finite"), "as they were saved")
    try:
        shape, skip = SmallFFNShape(**words["shape"]), words["skip"]
        if (shape.layers, shape.width) != (family.depth, family.width) or not isinstance(skip, bool):
            raise PolicyMismatchError("folder", described("parts of another shape"), "those of this model")
        with torch.device("meta"):  # nothing is made before the tensors are known to be of its shape
            small, router = SmallFFNs(shape), Router.for_family(family)
        for part, module in (("small.", small), ("router.", router)):
            state = {name[len(part) :]: each.float() for name, each in tensors.items() if name.startswith(part)}
            module.load_state_dict(state, assign=True)
    except PolicyMismatchError:
        raise
    except (ArgumentError, KeyError, RuntimeError, TypeError, ValueError) as error:
        why = str(error).splitlines()[0]
        raise PolicyMismatchError("folder", described(f"parts that do not fit: {why}"), "as they were saved") from None
    return small.to(family.home).eval(), router.to(family.home).eval(), skip


def require_decided(data: Sequence[Any], family: Family) -> list[Any]:
    """Texts in which something is decided: the first token after a prompt comes from the prompt, which runs in full."""
    texts = [text for text in require_texts(data, family) if text.decided]
    if not texts:
        given = described("no text with two tokens or more after its prompt")
        raise ArgumentError("data", given, "one such text: the first token comes from the prompt")
    return texts


def _allowed(logits: Tensor, *, skip: bool) -> Tensor:
    """Logits of the choices that there are."""
    if skip:
        return logits
    barred = torch.tensor([0.0, 0.0, -math.inf], device=logits.device, dtype=logits.dtype)
    return logits + barred


def _run(
    family: Family,
    texts: Sequence[Any],
    loss: Callable[[CausalBatch, int], Tensor],
    modules: nn.Module,
    fit: FitSettings,
    config: Mapping[str, Any],
    rate: float,
) -> History:
    """One run over the texts, with checkpoints in a folder of its own."""
    optimizer = torch.optim.AdamW(modules.parameters(), lr=rate, weight_decay=0.0)
    total = count_steps(len(texts), batch_size=fit.batch_size, epochs=fit.epochs)
    directory = None if fit.directory is None else Path(fit.directory) / str(config["stage"])
    return fit_modules(
        modules,
        loss,
        texts,
        lambda items: CausalBatch.of(items, family.home),
        optimizer=optimizer,
        schedule=warm_cosine(optimizer, total),
        clip=_CLIP,
        config=config,
        **{**fit.options(), "directory": directory},
    )


@contextmanager
def _frozen(module: Any) -> Iterator[None]:
    """Nothing of it requires a gradient within the block, or drops out."""
    if not isinstance(module, nn.Module):
        raise InputTypeError("model", described(f"a {type(module).__name__}"), "a module")
    before = [(each, each.requires_grad) for each in module.parameters()]
    training = module.training
    try:
        module.requires_grad_(False)
        module.eval()
        yield
    finally:
        module.train(training)
        for each, required in before:
            each.requires_grad_(required)
