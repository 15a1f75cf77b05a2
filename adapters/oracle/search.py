"""The route of lowest loss for each token: by looking at all of them, or at those that a beam or chance finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from adapters._common.checks import read_count
from adapters.families import family_of
from adapters.heads.small_ffn import SmallFFNs
from adapters.oracle.passes import FloatArray, TokenPass
from adapters.oracle.result import Oracle
from adapters.oracle.routes import (
    CHOICES,
    FULL,
    UNITS,
    IntArray,
    Unit,
    all_routes,
    count_routes,
    read_budgets,
    read_choices,
)
from adapters.texts.continuations import Continuation
from ews.errors import ArgumentError, InputTypeError, UnknownNameError, described

__all__ = ["oracle_routes"]

Search = Literal["exact", "beam", "sample"]
SEARCHES = ("exact", "beam", "sample")
_MOST_ROUTES = 1 << 13


def oracle_routes(
    model: Any,
    texts: Sequence[Continuation],
    *,
    unit: Unit = "ffn",
    small: SmallFFNs | None = None,
    choices: Sequence[str] | None = None,
    budgets: Sequence[int] | None = None,
    search: Search | None = None,
    beam: int = 4,
    samples: int = 100,
    seed: int = 0,
    progress: Callable[[int, int], object] | None = None,
) -> Oracle:
    """Oracle of a model on texts: for each token and each budget the route with the lowest loss.

    Texts are teacher-forced. The past of a token is the full model's, so that its route is its own alone.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A causal language model.
    texts : sequence of Continuation
        Prompts and what follows them; see :func:`adapters.full_model_continuations`.
    unit : {"ffn", "layer", "exit"}, default "ffn"
        What a route chooses for: each feed-forward block, attention always running; each layer but the first, which
        always runs; or after how many layers to leave.
    small : SmallFFNs, optional
        What can stand in for feed-forward blocks.
    choices : sequence of {"big", "small", "skip"}, optional
        What a block may be; default: all that there is.
    budgets : sequence of int, optional
        Numbers of whole blocks; default: all.
    search : {"exact", "beam", "sample"}, optional
        All routes; those that a beam finds which adds whole blocks one by one, or takes them away; or random ones.
        Default: all where there are 8192 or fewer (2^12, 3^8), else a beam.
    beam : int, default 4
        Routes that a token's beam keeps.
    samples : int, default 100
        Random routes for each budget.
    seed : int, default 0
        Of these.
    progress : callable, optional
        Called with texts done and texts in all.

    Returns
    -------
    Oracle
        One entry for each token that a policy decides on.

    Raises
    ------
    ews.errors.ArgumentError
        If an option cannot be used, or nothing is decided on in any text.

    References
    ----------
    Alizadeh, K. et al. (2024). Duo-LLM: A framework for studying adaptive computation in large language models,
    arXiv:2410.10846.

    Examples
    --------
    >>> from adapters import full_model_continuations, oracle_routes
    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> config = LlamaConfig(
    ...     vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=4, num_attention_heads=2,
    ...     eos_token_id=None, pad_token_id=0,
    ... )
    >>> model = LlamaForCausalLM(config).eval()
    >>> texts = full_model_continuations(model, [[1, 2, 3], [4, 5]], max_new_tokens=6)
    >>> found = oracle_routes(model, texts)
    >>> found.loss.shape, found.routes, bool((found.best() <= found.full_loss).all())
    ((10, 5), 16, True)
    """
    if unit not in UNITS:
        raise UnknownNameError("unit", unit, UNITS)
    if search is not None and search not in SEARCHES:
        raise UnknownNameError("search", search, SEARCHES)
    if small is not None and not isinstance(small, SmallFFNs):
        raise InputTypeError("small", described(f"a {type(small).__name__}"), "SmallFFNs")
    for name, value in (("beam", beam), ("samples", samples)):
        read_count(name, value)
    if unit == "exit" and search not in (None, "exact"):
        raise ArgumentError("search", search, "'exact' for unit='exit', which has one route for each depth")
    family = family_of(model)
    named = read_choices(choices, unit, has_small=small is not None)
    counts = read_budgets(budgets, family.depth, unit)
    many = count_routes(family.depth, named, unit, counts)
    how = search or ("exact" if many <= _MOST_ROUTES else "beam")
    decided = [(index, text) for index, text in enumerate(texts) if text.decided]
    if not decided:
        given = described("no text with two tokens or more after its prompt")
        raise ArgumentError("texts", given, "one such text: the first token comes from the prompt")
    random = np.random.default_rng(seed)
    routes = all_routes(family.depth, named, unit, counts) if how == "exact" else None
    ends = np.stack([np.full(family.depth, FULL), _nothing(family.depth, named, unit)])
    parts = []
    for done, (index, text) in enumerate(decided, start=1):
        tokens = TokenPass(family, text, unit=unit, small=small)
        found = _Best(tokens.tokens, family.depth)
        if routes is not None:
            found.take(routes, tokens.losses(routes))
        elif how == "beam":
            for start in (_starts_of(ends, named, unit), ends[:1]):
                _climb(tokens, found, start, named, unit, beam)
        else:
            drawn = _drawn(random, family.depth, named, unit, counts, samples)
            found.take(drawn, tokens.losses(drawn))
        both = tokens.losses(ends)
        at = np.arange(text.prompt, len(text.tokens) - 1)
        parts.append((np.full(tokens.tokens, index), at, found.loss, found.route, both[0], both[1]))
        if progress is not None:
            progress(done, len(decided))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    examined = many if how == "exact" else None
    return Oracle(unit, named, how, examined, seed, counts, *_within(columns, counts))


class _Best:
    """The lowest loss so far, for each token and each number of whole blocks, and its route."""

    def __init__(self, tokens: int, depth: int) -> None:
        self.loss: FloatArray = np.full((tokens, depth + 1), np.inf)
        self.route = np.zeros((tokens, depth + 1, depth), dtype=np.int8)

    def take(self, routes: IntArray, losses: FloatArray) -> None:
        """Look at some more, of shape (routes, depth) or (routes, tokens, depth)."""
        each = routes if routes.ndim == 3 else np.broadcast_to(routes[:, None], (*losses.shape, routes.shape[-1]))
        counts = (each == FULL).sum(-1)
        token = np.arange(losses.shape[1])
        for budget in np.unique(counts):
            these = np.where(counts == budget, losses, np.inf)
            first = these.argmin(0)
            better = these[first, token] < self.loss[:, budget]
            self.loss[better, budget] = these[first, token][better]
            self.route[better, budget] = each[first, token][better]


def _nothing(depth: int, choices: Sequence[str], unit: Unit) -> IntArray:
    """The least that a token can run: small blocks where there are any, and none elsewhere."""
    route = np.full(depth, CHOICES["small" if "small" in choices else "skip"], dtype=np.int64)
    if unit != "ffn":
        route[0] = FULL
    return route


def _starts_of(ends: IntArray, choices: Sequence[str], unit: Unit) -> IntArray:
    """Where a beam that adds whole blocks begins: nothing whole, all else alike."""
    found = []
    for name in choices:
        if name != "big":
            route = np.full(ends.shape[1], CHOICES[name], dtype=np.int64)
            route[: 0 if unit == "ffn" else 1] = FULL
            found.append(route)
    return np.stack(found)


def _climb(tokens: TokenPass, found: _Best, start: IntArray, choices: Sequence[str], unit: Unit, beam: int) -> None:
    """From some routes on, change one block at a time, and keep the best few for each token."""
    depth, first = start.shape[1], 0 if unit == "ffn" else 1
    falls = bool((start == FULL).all())
    others = [CHOICES[name] for name in choices if name != "big"] if falls else [FULL]
    held = np.repeat(start[:, None], tokens.tokens, axis=1)  # (routes, tokens, depth)
    losses = tokens.losses(held)
    found.take(held, losses)
    for _ in range(depth - first):
        made = []
        for index in range(first, depth):
            for other in others:
                changed = held.copy()
                changed[..., index] = other
                made.append(changed)
        nexts = np.concatenate(made)
        same = np.concatenate([(held[..., index] == FULL) != falls for index in range(first, depth) for _ in others])
        losses = np.where(same, np.inf, tokens.losses(nexts))  # a block that had been changed before
        losses = np.where(_twice(nexts), np.inf, losses)
        found.take(nexts, losses)
        order = np.argsort(losses, axis=0, kind="stable")[:beam]
        held = np.take_along_axis(nexts, order[..., None], axis=0)


def _twice(routes: IntArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which routes of a token stand among the earlier ones of that token, shape (routes, tokens)."""
    words = np.ascontiguousarray(routes.astype(np.int8) + 1).view(f"S{routes.shape[-1]}")[..., 0]
    found = np.ones(words.shape, dtype=bool)
    for token in range(words.shape[1]):
        found[np.unique(words[:, token], return_index=True)[1], token] = False
    return found


def _drawn(
    random: np.random.Generator,
    depth: int,
    choices: Sequence[str],
    unit: Unit,
    budgets: Sequence[int],
    samples: int,
) -> IntArray:
    """Random routes of each budget."""
    if unit == "exit":
        return all_routes(depth, choices, unit, budgets)
    first = 0 if unit == "ffn" else 1
    others = np.array([CHOICES[name] for name in choices if name != "big"])
    routes = random.choice(others, size=(len(budgets), samples, depth))
    routes[..., :first] = FULL
    for number, budget in enumerate(budgets):
        for sample in range(samples):
            whole = random.permutation(np.arange(first, depth))[: budget - first]
            routes[number, sample, whole] = FULL
    return routes.reshape(-1, depth).astype(np.int64)


def _within(columns: Sequence[Any], budgets: Sequence[int]) -> list[Any]:
    """Columns in which budgets that were not asked for are not there."""
    text, at, loss, route, full, least = columns
    asked = np.zeros(loss.shape[1], dtype=bool)
    asked[list(budgets)] = True
    loss = np.where(asked & np.isfinite(loss), loss, np.nan)
    return [text, at, loss, route, full, least]
