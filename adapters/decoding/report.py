"""What a generation ran and how long it took: counted by the engine, read as a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from adapters._common.deprecated import renamed_attribute
from adapters._common.publish import public

__all__ = ["DecodingStatistics", "Report"]


@dataclass(slots=True)
class DecodingStatistics:
    """Decoding statistics: running counts of one generation. A token is one row of one step."""

    policy: str
    unit: str
    cache: str
    depth: int
    tokens: int = 0
    steps: int = 0
    layers: int = 0  # rows × tokens × layers, completions included
    completed: int = 0  # of these, how many completed what an earlier token had left out
    ffn_left_out: int = 0  # of these layers, how many ran without their feed-forward block
    ffn_substituted: int = 0  # and with something else in its place
    heads: int = 0
    drafted: int = 0
    accepted: int = 0
    exits: Counter[int] = field(default_factory=Counter)
    prompt_tokens: int = 0
    prompt_seconds: float = 0.0
    seconds: float = 0.0
    deciding: float = 0.0
    looking: float = 0.0
    events: list[str] = field(default_factory=list)

    @property
    def ffn_blocks(self) -> int:
        """Feed-forward blocks that ran."""
        return self.layers - self.ffn_left_out - self.ffn_substituted


@public("adapters")
@dataclass(frozen=True, slots=True)
class Report:
    """Decoding statistics of the last generation under a policy: layers, heads, exits, drafts and time.

    Attributes
    ----------
    policy, unit, cache : str
        What decided, what it may leave out, and how the cache was kept.
    depth : int
        Layers of the model.
    tokens : int
        Tokens decoded (rows × steps), without the first, which comes from the prompt.
    tokens_per_second : float
        Tokens decoded by time within the engine; prompt, logits processors and sampling are not in it.
    layers_per_token, ffn_blocks_per_token : float
        Layers and feed-forward blocks run in full for each, those that were run later to complete the cache included.
        What a batch computes beside, because rows have ended or are not equally far, is in the time and not in these.
    ffn_substituted_per_token, ffn_left_out_per_token : float
        Of the layers run, how many had something else in the place of their feed-forward block, or nothing. With
        `ffn_blocks_per_token` they add up to `layers_per_token`.
    completed_share : float
        Share of these layers that completed what an earlier token had left out.
    heads_per_token : float
        Times that the model's own head was run for each.
    exits : dict of int to int
        Depth at which tokens were emitted → how many. With ``cache="verify"`` the depth at which a token was drafted,
        where the draft held, and all layers else.
    deciding_share, prediction_share : float
        Share of the engine's time that went into deciding (plans, signals, windows, classifier), and into exit-head
        predictions.
    drafted, accepted : int
        With ``cache="verify"``: tokens drafted, and those that the full model said too.
    prompt_tokens : int
        Tokens of the prompt.
    prompt_seconds, seconds : float
        Time in the prompt, and in decoding.
    agreement : float or None
        Share of tokens that the full model would have emitted too, where that was measured.
    events : tuple of str
        What else is worth knowing: fall-backs to full depth, alarms of a guard.
    """

    policy: str
    unit: str
    cache: str
    depth: int
    tokens: int
    tokens_per_second: float
    layers_per_token: float
    ffn_blocks_per_token: float
    ffn_substituted_per_token: float
    ffn_left_out_per_token: float
    completed_share: float
    heads_per_token: float
    exits: Mapping[int, int]
    deciding_share: float
    prediction_share: float
    drafted: int
    accepted: int
    prompt_tokens: int
    prompt_seconds: float
    seconds: float
    agreement: float | None
    events: tuple[str, ...]

    feeds_per_token = renamed_attribute("feeds_per_token", "ffn_blocks_per_token")
    looking_share = renamed_attribute("looking_share", "prediction_share")

    @classmethod
    def of(cls, statistics: DecodingStatistics, *, agreement: float | None = None) -> Report:
        """Make a report of the running counts of a generation."""
        tokens, seconds, layers = max(statistics.tokens, 1), max(statistics.seconds, 1e-12), max(statistics.layers, 1)
        return cls(
            policy=statistics.policy,
            unit=statistics.unit,
            cache=statistics.cache,
            depth=statistics.depth,
            tokens=statistics.tokens,
            tokens_per_second=statistics.tokens / seconds,
            layers_per_token=statistics.layers / tokens,
            ffn_blocks_per_token=statistics.ffn_blocks / tokens,
            ffn_substituted_per_token=statistics.ffn_substituted / tokens,
            ffn_left_out_per_token=statistics.ffn_left_out / tokens,
            completed_share=statistics.completed / layers,
            heads_per_token=statistics.heads / tokens,
            exits=dict(sorted(statistics.exits.items())),
            deciding_share=statistics.deciding / seconds,
            prediction_share=statistics.looking / seconds,
            drafted=statistics.drafted,
            accepted=statistics.accepted,
            prompt_tokens=statistics.prompt_tokens,
            prompt_seconds=statistics.prompt_seconds,
            seconds=statistics.seconds,
            agreement=agreement,
            events=tuple(statistics.events),
        )

    def to_dict(self) -> dict[str, Any]:
        """The report as plain numbers and strings, for :func:`json.dumps`."""
        found = asdict(self)
        found["exits"] = {str(depth): count for depth, count in self.exits.items()}
        found["events"] = list(self.events)
        return found

    def summary(self) -> str:
        """The report as a few lines of text."""
        exits = ", ".join(f"{depth}: {count}" for depth, count in self.exits.items()) or "none"
        lines = [
            f"{self.policy} (unit {self.unit}, cache {self.cache})",
            f"  {self.tokens} tokens, {self.tokens_per_second:.1f} a second; prompt of {self.prompt_tokens}",
            f"  {self.layers_per_token:.2f} of {self.depth} layers and {self.ffn_blocks_per_token:.2f} feed-forward "
            f"blocks a token, {self.heads_per_token:.2f} full heads",
            *([] if self.ffn_blocks_per_token == self.layers_per_token else [self._other_routes()]),
            f"  emitted after layers {exits}",
            f"  deciding {self.deciding_share:.1%} of the time, looks {self.prediction_share:.1%}",
        ]
        if self.drafted:
            lines.append(f"  {self.drafted} drafted, {self.accepted} confirmed")
        if self.agreement is not None:
            lines.append(f"  agreement with the full model {self.agreement:.1%}")
        return "\n".join(lines + [f"  {event}" for event in self.events])

    def _other_routes(self) -> str:
        return (
            f"  {self.ffn_substituted_per_token:.2f} feed-forward blocks a token substituted, "
            f"{self.ffn_left_out_per_token:.2f} left out of layers that ran"
        )
