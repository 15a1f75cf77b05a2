"""A depth that falls from token to token, the same for a whole batch (SkipDecode)."""

from __future__ import annotations

from adapters._common.checks import read_count, read_depth, read_share, require_cache
from adapters._common.publish import public
from adapters.decoding.contract import CacheMode, Plan, Policy, Promise
from adapters.families import Family
from ews.errors import ArgumentError, ValueRangeError, described

__all__ = ["SkipDecodePolicy", "bypassed_layers", "exit_budget"]


def exit_budget(token: int, *, length: int, max_exit: int, min_exit: int) -> int:
    r"""How many layers token t runs: :math:`E(t)` falls from `max_exit` to `min_exit` over `length` tokens.

    Parameters
    ----------
    token : int
        Number of the generated token, from 0, which comes from the prompt.
    length, max_exit, min_exit : int
        See :class:`SkipDecodePolicy`.

    Returns
    -------
    int
        :math:`\mathrm{round}((1 - t/T)\,\mathrm{max} + (t/T)\,\mathrm{min})`, and `min_exit` past T (Del Corro et al.
        2023, section 3).

    Examples
    --------
    >>> [exit_budget(t, length=4, max_exit=12, min_exit=4) for t in range(7)]
    [12, 10, 8, 6, 4, 4, 4]
    """
    share = min(token / length, 1.0)
    return round((1.0 - share) * max_exit + share * min_exit)


def bypassed_layers(budget: int, *, layers: int, warmup_layers: int) -> frozenset[int]:
    """Layers that a token passes by: what runs are the warm-up layers at the bottom, and the last of the others.

    Parameters
    ----------
    budget : int
        How many layers run.
    layers : int
        How many there are.
    warmup_layers : int
        How many of those that run are at the bottom.

    Returns
    -------
    frozenset of int
        The band between.

    Examples
    --------
    >>> sorted(bypassed_layers(4, layers=7, warmup_layers=1))
    [1, 2, 3]
    """
    return frozenset(range(warmup_layers, layers - (budget - warmup_layers)))


@public("adapters")
class SkipDecodePolicy(Policy):
    r"""Layer skipping by position (SkipDecode): each token runs no more layers than the one before it, in all rows.

    Token t of a generation runs :math:`E(t) = \mathrm{round}((1 - t/T)\,\mathrm{max} + (t/T)\,\mathrm{min})` layers:
    the warm-up layers at the bottom, and the last of the others. The band between is bypassed and only grows, so that
    a layer that was left out is never needed again, no key or value is ever missing, and each layer holds a prefix
    without gaps (``cache="monotone"``). Rows of a batch are aligned by generated token and all at one depth; nothing
    is looked at, so a device is never waited for.

    The prompt, from which token 0 comes, runs through all layers, whatever `max_exit` is. Models are fine-tuned with
    the schedule on; one that was not loses much of its quality.

    Parameters
    ----------
    length : int, default 64
        Tokens T over which the depth falls; past it every token runs `min_exit` layers. The best is the length that
        continuations have.
    max_exit : int, optional
        Layers of the first tokens (default: all, or what follows from `speedup`).
    min_exit : int, optional
        Layers from token T on (default: half of all, which is three quarters of the layers on average: what a model
        that was not fine-tuned may stand; or what follows from `speedup`).
    speedup : float, optional
        Target s, such that the mean depth over T tokens is the number of layers by s. With one of `max_exit` and
        `min_exit` the other follows; with none, the depth falls from half as much above the mean as can be to as much
        below it.
    warmup_layers : int, default 1
        Layers at the bottom that always run (the paper's x). With 1, tokens pass by layers 1, …, k(t) counted from 0;
        layer 0 always runs, since it alone sees the new token.
    cache : {"monotone", "propagate", "verify"}, default "monotone"
        How the cache is kept. With ``"propagate"`` it can be handed on; with ``"verify"`` the tokens are drafts.
    drafts : int, optional
        With ``cache="verify"``, how many tokens are drafted at most before the full model checks (default: 4).

    Raises
    ------
    ews.errors.ArgumentError
        If an option cannot be used, or options contradict each other or, once a model is met, its number of layers.

    References
    ----------
    Del Corro, L. et al. (2023). SkipDecode: autoregressive skip decoding with batching and caching for efficient LLM
    inference. arXiv:2307.02628, section 3.

    Examples
    --------
    >>> import torch
    >>> from adapters import SkipDecodePolicy
    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> config = LlamaConfig(
    ...     vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=8, num_attention_heads=2,
    ...     eos_token_id=None,
    ... )
    >>> model = LlamaForCausalLM(config).eval()
    >>> policy = SkipDecodePolicy(length=8, min_exit=2)
    >>> written = model.generate(torch.tensor([[1, 2, 3]]), max_new_tokens=9, custom_generate=policy, pad_token_id=0)
    >>> policy.report().layers_per_token  # 7, 6, 6, 5, 4, 4, 3, 2
    4.625
    """

    promise = Promise(
        {"length": 8, "min_exit": 2},
        caches=("monotone", "propagate", "verify"),
        leaves=False,
        skips=True,
        waits=0,
    )

    def __init__(
        self,
        *,
        length: int = 64,
        max_exit: int | None = None,
        min_exit: int | None = None,
        speedup: float | None = None,
        warmup_layers: int = 1,
        cache: CacheMode = "monotone",
        drafts: int | None = None,
    ) -> None:
        super().__init__(unit="layer", cache=cache, drafts=drafts)
        require_cache(cache, self.promise.caches, "layers in between")
        self.length = read_count("length", length)
        self.max_exit, self.min_exit = max_exit, min_exit
        self.speedup = None if speedup is None else read_share("speedup", speedup, low=1.0, high=float("inf"))
        self.warmup_layers = read_count("warmup_layers", warmup_layers)
        if speedup is not None and max_exit is not None and min_exit is not None:
            given = described("speedup beside max_exit and min_exit")
            raise ArgumentError("speedup", given, "one of the two at most: the other follows from it")
        self._plans: dict[int, Plan] = {}
        self._range = (0, 0)
        self._layers = 0

    @property
    def goes_by_step(self) -> bool:
        """The plan is another at another step."""
        return True

    def bind(self, family: Family) -> None:
        """Resolve the range of depths for this model, and see that they fit."""
        layers, warmup = family.depth, self.warmup_layers
        read_depth("warmup_layers", warmup, layers)
        most = None if self.max_exit is None else read_depth("max_exit", self.max_exit, layers)
        least = None if self.min_exit is None else read_depth("min_exit", self.min_exit, layers)
        if self.speedup is not None:
            most, least = self._of_speedup(layers, most, least)
        most = layers if most is None else most
        least = min(most, max(layers // 2, warmup)) if least is None else least
        if least < warmup:
            raise ValueRangeError("min_exit", least, f"{warmup} or more, the warm-up layers, which always run")
        if most < least:
            raise ValueRangeError("max_exit", most, f"{least} to {layers}: no less than min_exit, a budget never rises")
        self._range, self._layers, self._plans = (most, least), layers, {}

    def _of_speedup(self, layers: int, most: int | None, least: int | None) -> tuple[int, int]:
        assert self.speedup is not None
        mean, floor = layers / self.speedup, min(self.warmup_layers + 1, layers)
        if most is None and least is None:
            if mean < floor:
                raise ValueRangeError("speedup", self.speedup, f"1 to {layers / floor:g} for this model")
            half = min(layers - mean, mean / 2, mean - floor)
            return round(mean + half), round(mean - half)
        given = most if most is not None else least
        assert given is not None
        other = round(2 * mean - given)
        lowest, highest = (self.warmup_layers, given) if most is not None else (given, layers)
        if not lowest <= other <= highest:
            name = "max_exit" if most is not None else "min_exit"
            bounds = f"{2 * layers / (given + highest):g} to {2 * layers / (given + lowest):g}"
            raise ValueRangeError("speedup", self.speedup, f"{bounds} with {name}={given} for this model")
        return (given, other) if most is not None else (other, given)

    def budget_at(self, token: int) -> int:
        """How many layers one token runs.

        Parameters
        ----------
        token : int
            Number of the token, from 0, which comes from the prompt (and runs in full).

        Returns
        -------
        int
            E(token), for the model that the policy was plugged into last.

        Raises
        ------
        ews.errors.ArgumentError
            If it has met no model yet.
        """
        if not self._layers:
            raise ArgumentError("policy", described("one that has met no model yet"), "a call of generate first")
        most, least = self._range
        return exit_budget(token, length=self.length, max_exit=most, min_exit=least)

    def plan(self, step: int) -> Plan:
        """Plan to leave out the band of this token."""
        budget = self.budget_at(step + 1)
        if budget not in self._plans:
            band = bypassed_layers(budget, layers=self._layers, warmup_layers=self.warmup_layers)
            self._plans[budget] = Plan(skip_layers=band)
        return self._plans[budget]
