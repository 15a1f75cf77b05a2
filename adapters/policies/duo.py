"""Big, small or no feed-forward block, for each token at each layer (Duo-LLM)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from adapters._common.checks import read_share, require_cache
from adapters._common.publish import public
from adapters.calibration.fingerprint import Known
from adapters.decoding.contract import CacheMode, FFNRoute, IntArray, Plan, Policy, Promise
from adapters.errors import PolicyMismatchError
from adapters.families import Family
from adapters.heads.small_ffn import CHOICES, Router, SmallFFNs
from ews.errors import ArgumentError, InputTypeError, UnknownNameError, described

__all__ = ["CHOICES", "DuoPolicy", "Router", "SmallFFNs"]

_ROUTES = {"big": FFNRoute.FULL, "small": FFNRoute.SUBSTITUTE, "skip": FFNRoute.LEFT_OUT}
_UNTRAINED = "the small feed-forward blocks were not trained: they add nothing"


@public("adapters")
class DuoPolicy(Policy):
    r"""Duo-LLM: at each layer each token takes the whole feed-forward block, a small one beside it, or none.

    Attention always runs and the cache stays exact. A router chooses by the state, or the route is drawn, or the same
    for all tokens; the prompt takes the whole blocks. Small blocks and router are trained beside a model that stays as
    it is: :func:`adapters.training.train_duo`, and ``ews llm train duo``, whose folder ``--policy`` takes.

    Parameters
    ----------
    small : SmallFFNs, optional
        The small blocks (default: what untrained ones are, blocks that add nothing; the report says so).
    router : Router, optional
        What chooses, where `route` says so.
    route : {"router", "random"} or sequence of {"big", "small", "skip"}, default "router"
        Who chooses: the likeliest choice of the router, chance, or one choice for each layer, the same for all tokens.
    skip : bool, default False
        Whether the router may choose no block; not unless it was trained to.
    shares : sequence of 3 floats, default (0.5, 0.5, 0.0)
        With ``route="random"``, how often a token takes the big block, the small one, and none. The default is what
        small blocks are trained under.
    base : str, optional
        Fingerprint of the model that they were trained beside (``Duo.base``): any other is refused then.
    cache : {"exact"}, default "exact"
        Attention always runs.
    seed : int, default 0
        Seed of the draws; each generation starts it anew.

    Raises
    ------
    ews.errors.ArgumentError
        If an option cannot be used, or options contradict each other.
    adapters.errors.PolicyMismatchError
        If small blocks or router are of another model.

    References
    ----------
    Alizadeh, K. et al. (2024). Duo-LLM: a framework for studying adaptive computation in large language models.
    arXiv:2410.10846, section 3.

    Examples
    --------
    >>> import torch
    >>> from adapters import DuoPolicy
    >>> from adapters.families import family_of
    >>> from adapters.policies.duo import SmallFFNs
    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> config = LlamaConfig(
    ...     vocab_size=64, hidden_size=16, intermediate_size=64, num_hidden_layers=3, num_attention_heads=2,
    ...     eos_token_id=None,
    ... )
    >>> model = LlamaForCausalLM(config).eval()
    >>> policy = DuoPolicy(small=SmallFFNs.for_family(family_of(model)), route=("big", "small", "skip"))
    >>> written = model.generate(torch.tensor([[1, 2, 3]]), max_new_tokens=9, custom_generate=policy, pad_token_id=0)
    >>> report = policy.report()
    >>> report.ffn_blocks_per_token, report.ffn_substituted_per_token, report.ffn_left_out_per_token
    (1.0, 1.0, 1.0)
    """

    promise = Promise(
        {"route": "random", "shares": (0.4, 0.3, 0.3)},
        caches=("exact",),
        leaves=False,
        skips=True,
        row_by_row=False,  # drawn for each row; by a router it is
        waits=0,
    )

    def __init__(
        self,
        *,
        small: SmallFFNs | None = None,
        router: Router | None = None,
        route: str | Sequence[str] = "router",
        skip: bool = False,
        shares: Sequence[float] = (0.5, 0.5, 0.0),
        base: str | None = None,
        cache: CacheMode = "exact",
        seed: int = 0,
    ) -> None:
        super().__init__(unit="ffn", cache=cache)
        require_cache(cache, self.promise.caches, "feed-forward blocks alone")
        for name, value, kind in (("small", small, SmallFFNs), ("router", router, Router), ("skip", skip, bool)):
            if not isinstance(value, kind) and not (value is None and name != "skip"):
                raise InputTypeError(name, value, f"a {kind.__name__}")
        self.small, self.router, self.skip, self.base, self.seed = small, router, skip, base, seed
        self.route = _read_route(route)
        self.shares = _read_shares(shares)
        if self.route == "router" and router is None:
            allowed = "'random', a choice for each layer, or 'router' beside a router"
            raise ArgumentError("route", described("'router' without one"), allowed)
        if self.route == "router" and small is None:
            raise ArgumentError("small", None, "the small blocks that the router was trained with")
        self._known = Known()
        self._plan: Plan | None = None
        self._layers = 0
        self._small: SmallFFNs | None = None
        self._router: Router | None = None
        self._codes = torch.zeros(0, dtype=torch.int64)

    def bind(self, family: Family) -> None:
        """See that small blocks and router are of this model, and put them where it computes."""
        if self.base is not None and not self._known.is_same(family.model, self.base):
            given = described("another one, or one whose weights were changed since")
            raise PolicyMismatchError("model", given, "the model that small blocks and router were trained beside")
        if self.small is not None:
            _require_size("small", (self.small.shape.layers, self.small.shape.width), family)
            self._small = _placed(self.small, family.home)
        if self.router is not None:
            _require_size("router", (self.router.weight.shape[0], self.router.weight.shape[2]), family)
        self._layers, self._plan = family.depth, None
        if self.route == "router":
            self._router = _placed(self.router, family.home)
            self._codes = torch.tensor([int(_ROUTES[choice]) for choice in CHOICES], device=family.home)
            self._plan = Plan(ffn_checks=frozenset(range(family.depth)))
        elif self.route != "random":
            if len(self.route) != family.depth:
                given = described(f"choices for {len(self.route)} layers")
                raise ArgumentError("route", given, f"one for each of the {family.depth} layers of this model")
            self._plan = Plan(ffn_routes=np.array([int(_ROUTES[choice]) for choice in self.route]))

    def unbind(self) -> None:
        """Forget what was put where the model computes."""
        self._small = self._router = None

    def start(self, rows: int, input_ids: Tensor | None) -> None:
        """Begin a generation, with the draws from the start of the seed."""
        self._random = np.random.default_rng(self.seed)
        self._rows = rows

    def plan(self, step: int) -> Plan:
        """Plan to ask the router, or plan the routes."""
        if self._plan is not None:
            return self._plan
        drawn = self._random.choice(len(CHOICES), size=(self._rows, self._layers), p=self.shares)
        return Plan(ffn_routes=np.array([int(_ROUTES[choice]) for choice in CHOICES])[drawn])

    def run_ffn(self, index: int, post_attention: Tensor) -> IntArray:
        """Route by the likeliest choice; to the whole block where the router's answer is not finite."""
        assert self._router is not None
        logits = self._router(index, post_attention)
        if not self.skip:
            logits = logits[..., : CHOICES.index("skip")]
        routes = torch.where(logits.isfinite().all(-1), self._codes[logits.argmax(-1)], int(FFNRoute.FULL))
        found: IntArray = routes.cpu().numpy()  # the one time that the host waits
        return found

    def instead_of_ffn(self, index: int, post_attention: Tensor) -> Tensor:
        """What the small block adds."""
        if self._small is None:
            if _UNTRAINED not in self.events:
                self.events.append(_UNTRAINED)
            return torch.zeros_like(post_attention)
        found: Tensor = self._small(index, post_attention)
        return found


def _require_size(name: str, size: tuple[int, int], family: Family) -> None:
    """That something was made for as many layers of the width of a model."""
    if size != (family.depth, family.width):
        given = described(f"one for {size[0]} layers of width {size[1]}")
        raise PolicyMismatchError(name, given, f"one for {family.depth} layers of width {family.width}")


def _placed(module: Any, device: Any) -> Any:
    """A module where a model computes: itself, if it is there."""
    if next(module.parameters()).device == torch.device(device):
        return module
    twin: nn.Module = copy.deepcopy(module)
    return twin.to(device)


def _read_route(route: object) -> str | tuple[str, ...]:
    if isinstance(route, str):
        if route not in ("router", "random"):
            raise UnknownNameError("route", route, ("router", "random"))
        return route
    if not isinstance(route, Sequence) or not route:
        raise InputTypeError("route", route, f"'router', 'random', or one of {', '.join(CHOICES)} for each layer")
    for choice in route:
        if choice not in CHOICES:
            raise UnknownNameError("route", choice, CHOICES)
    return tuple(route)


def _read_shares(shares: object) -> tuple[float, ...]:
    if isinstance(shares, str) or not isinstance(shares, Sequence) or len(shares) != len(CHOICES):
        raise InputTypeError("shares", shares, f"{len(CHOICES)} numbers: how often {', '.join(CHOICES)}")
    found = tuple(read_share("shares", each) for each in shares)
    if abs(sum(found) - 1.0) > 1e-9:
        raise ArgumentError("shares", shares, "numbers that add up to 1")
    return tuple(each / sum(found) for each in found)
