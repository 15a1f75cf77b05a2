"""What a suitability check found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar

from adapters._common.deprecated import renamed_attribute
from adapters._common.publish import public
from adapters.assessment.ffn import FFNCheck
from adapters.calibration.costs import Costs
from ews.results import Report, Result

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["LEAVE_ALONE", "Suitability", "SuitabilityConfig", "Gain", "LensCheck"]

# Share of the full model's time above which a policy is not worth its calibration: what else the machine does, and the
# part of decoding that no policy touches, blur savings of this size.
LEAVE_ALONE = 0.97
_NEAR = 0.01  # shares of time that a check of this size does not tell apart


@dataclass(frozen=True, slots=True)
class SuitabilityConfig:
    """What was assessed, and on what.

    Attributes
    ----------
    texts, tokens : int
        Texts used, and tokens that a policy would decide on.
    max_new_tokens : int
        How long continuations could be.
    tolerance : float
        Share of tokens that may differ from the full model's.
    seed : int
        Seed of the draw and of the split of the texts.
    model_type, dtype, device : str
        Architecture, type of the weights, and device of the model.
    layers, vocabulary : int
        Its size.
    threads : int
        That torch used.
    """

    texts: int
    tokens: int
    max_new_tokens: int
    tolerance: float
    seed: int
    model_type: str
    dtype: str
    device: str
    layers: int
    vocabulary: int
    threads: int


@dataclass(frozen=True, slots=True)
class LensCheck:
    """What a head reads after some layers.

    Attributes
    ----------
    depth : int
        How many.
    raw : float
        Share of tokens for which the model's own norm and head say what they say after the last layer.
    tuned : float or None
        The same of a fitted translator and a short-listed head; None where none was fitted.
    """

    depth: int
    raw: float
    tuned: float | None


@dataclass(frozen=True, slots=True)
class Gain:
    """Saving by one way of leaving work out; times are shares of the full model's, layers and head.

    Attributes
    ----------
    unit, cache : str
        What is left out, and how the cache is kept.
    way : str
        In words.
    best : float
        If it were known, at no cost, which tokens need what.
    achievable : float or None
        With predictions at their measured costs, thresholds chosen on other texts than those it is stated for; 1 where
        nothing saves. None where texts that the full model wrote cannot tell.
    agreement : float or None
        Share of tokens that are those of the full model, then.
    """

    unit: str
    cache: str
    way: str
    best: float
    achievable: float | None
    agreement: float | None


@public("adapters")
@dataclass(frozen=True, eq=False)
class Suitability(Result):
    """Suitability of a model for early exit and layer skipping, on the machine at hand.

    Attributes
    ----------
    config : SuitabilityConfig
        What was assessed.
    costs : Costs
        Measured, in units of one layer for one token.
    layer_seconds : float
        Seconds that one layer takes for one token.
    lens : tuple of LensCheck
        Depth by depth.
    ffn : tuple of FFNCheck
        Feed-forward blocks, layer by layer.
    gains : tuple of Gain
        Way by way.
    seconds : float
        How long the check took.
    """

    config: SuitabilityConfig
    costs: Costs
    layer_seconds: float
    lens: tuple[LensCheck, ...]
    ffn: tuple[FFNCheck, ...]
    gains: tuple[Gain, ...]
    seconds: float

    _derived: ClassVar = ("verdict", "recommended")

    feeds = renamed_attribute("feeds", "ffn")

    @property
    def recommended(self) -> Gain | None:
        """Option that saves most, or None where that takes more than 0.97 of the full model's time.

        Of ways that are within 0.01 of it, the one that changes the fewest tokens.
        """
        known = [(gain.achievable, gain) for gain in self.gains if gain.achievable is not None]
        least = min((share for share, _ in known), default=1.0)
        if least > LEAVE_ALONE:
            return None
        near = [gain for share, gain in known if share <= least + _NEAR]
        return max(near, key=lambda gain: gain.agreement or 0.0)

    @property
    def verdict(self) -> str:
        """Either "worth calibrating" or "leave this model alone"."""
        return "leave this model alone" if self.recommended is None else "worth calibrating"

    def _report(self) -> Report:
        report = Report(f"Suitability of {self.config.model_type}", self.verdict)
        rows = [
            [gain.way, gain.unit, gain.cache, *map(_shown, (gain.best, gain.achievable, gain.agreement))]
            for gain in self.gains
        ]
        header = ["way", "unit", "cache", "best", "achievable", "agreement"]
        report.table(header, rows, strong=[gain == self.recommended for gain in self.gains])
        rows = [
            [str(seen.depth), *map(_shown, (seen.raw, seen.tuned, block.cosine, block.changed))]
            for seen, block in zip(self.lens, self.ffn, strict=True)
        ]
        report.table(["layer", "own head", "tuned", "cosine", "changed if left out"], rows)
        return report

    def to_frame(self) -> pd.DataFrame:
        """What each way of leaving work out could save.

        Returns
        -------
        pandas.DataFrame
            One row a way: unit, cache, way, best, achievable and agreement.
        """
        import pandas as pd

        return pd.DataFrame([asdict(gain) for gain in self.gains])

    def summary(self) -> str:
        """The verdict, its reasons and the figures behind it, as text.

        Returns
        -------
        str
            Lines of at most 100 characters.
        """
        parts = (self._verdict_lines(), self._cost_lines(), self._gain_lines(), self._depth_lines())
        return "\n\n".join("\n".join(lines) for lines in parts)

    def plot(self) -> Figure:
        """Draw agreement over depth, feed-forward blocks, and what could be gained.

        Returns
        -------
        matplotlib.figure.Figure
            Three panels.
        """
        from adapters.assessment.figure import draw_suitability

        return draw_suitability(self)

    # ---- lines of the summary -------------------------------------------------------------------------------------

    def _verdict_lines(self) -> list[str]:
        config, found = self.config, self.recommended
        lines = [
            f"{config.model_type}: {config.layers} layers, {config.vocabulary} tokens, {config.dtype}, {config.device}",
            f"verdict: {self.verdict}",
        ]
        if found is not None and found.achievable is not None and found.agreement is not None:
            lines += [
                f"  {found.way} (unit {found.unit}, cache {found.cache}): about {found.achievable:.2f} of the whole",
                f"  model's time, {found.agreement:.1%} of its tokens, on texts that thresholds were not chosen on",
            ]
        else:
            known = [gain.achievable for gain in self.gains if gain.achievable is not None]
            lines += [
                f"  the best that was found takes {min(known, default=1.0):.2f} of the full model's time with at most",
                f"  {config.tolerance:.0%} of the tokens changed; what takes more than {LEAVE_ALONE} is not worth it",
            ]
        return lines

    def _cost_lines(self) -> list[str]:
        costs = self.costs
        return [
            f"costs, in layers of {1e3 * self.layer_seconds:.2f} ms, measured with {self.config.threads} thread(s)",
            f"  full head {costs.head:.2f}    exit-head prediction {costs.prediction:.2f}    "
            f"exit classifier {costs.classifier:.2f}",
            f"  feed-forward block {costs.ffn:.2f}    one more token in a layer's pass {costs.completion:.2f}",
        ]

    def _gain_lines(self) -> list[str]:
        width = max(len(gain.way) for gain in self.gains)
        lines = [
            "share of the full model's time (best: with perfect foresight, predictions free)",
            f"  {'':<{width}}  {'unit':<6}{'cache':<11}{'best':>6}{'achievable':>12}{'agreement':>11}",
        ]
        for gain in self.gains:
            reached = "–" if gain.achievable is None else f"{gain.achievable:.2f}"
            agreement = "–" if gain.agreement is None else f"{gain.agreement:.1%}"
            lines.append(
                f"  {gain.way:<{width}}  {gain.unit:<6}{gain.cache:<11}{gain.best:>6.2f}{reached:>12}{agreement:>11}"
            )
        return lines

    def _depth_lines(self) -> list[str]:
        lines = [
            "after a layer: tokens that its head already says right; its feed-forward block",
            f"  {'layer':>5}{'own head':>10}{'tuned':>8}{'cosine':>10}{'changed if left out':>21}",
        ]
        for seen, block in zip(self.lens, self.ffn, strict=True):
            if seen.tuned is None and block.changed is None:
                continue
            tuned = "" if seen.tuned is None else f"{seen.tuned:.0%}"
            changed = "" if block.changed is None else f"{block.changed:.0%}"
            lines.append(f"  {seen.depth:>5}{seen.raw:>10.0%}{tuned:>8}{block.cosine:>10.3f}{changed:>21}")
        return lines


def _shown(share: float | None) -> str:
    return "–" if share is None else f"{share:.2f}"
