"""What was recognised in the times of a series, and how much of it was filled, as a record that reports print."""

from __future__ import annotations

from dataclasses import dataclass

from ews._common.publish import public

__all__ = ["NOTABLE_SHARE", "Sampling", "Seasonality"]

# Less of a cycle changes no answer, and noise has it too.
NOTABLE_SHARE = 0.1
_SHORT = {"business day": "working day"}
_MANY = {"quarter of a month": "quarters of a month"}


@public("ews.series")
@dataclass(frozen=True, slots=True)
class Seasonality:
    """A cycle that the calendar suggests, as found in the values.

    Attributes
    ----------
    period : int
        Samples in one cycle.
    cycle : str
        What repeats: ``"year"``, ``"week"`` or ``"day"``.
    share : float
        Share of the variance about a moving average over one cycle that repeats from cycle to cycle: 0 for none.
    pvalue : float
        Against the same cycles, each shifted at random; 1 where the share is below a tenth.
    """

    period: int
    cycle: str
    share: float
    pvalue: float

    @property
    def notable(self) -> bool:
        """Whether the cycle is worth taking out."""
        return self.share >= NOTABLE_SHARE and self.pvalue <= 0.01


@public("ews.series")
@dataclass(frozen=True, slots=True)
class Sampling:
    """How the times of a series step, and what had to be put in or left out to make them even.

    Attributes
    ----------
    unit : str
        Step of the calendar: ``"year"``, ``"quarter"``, ``"month"``, ``"half month"``, ``"dekad"``,
        ``"quarter of a month"``, ``"pentad"``, ``"8-day composite"`` (days counted anew each year), ``"week"``,
        ``"day"``, ``"business day"``, ``"hour"``, ``"minute"`` or ``"second"``; empty for times that are numbers, or
        steps that are none of these.
    every : int
        How many units make a step.
    read_as : str
        How the times were read where that was not plain, for example ``"months written as YYYYMM"``.
    absent : int
        Steps between the first time and the last without an observation.
    missing : int
        Observations without a value.
    filled : int
        Samples that were filled in.
    duplicates : int
        Observations that shared a time with another.
    season : Seasonality or None
        The strongest cycle of the calendar, where the record holds at least three.
    """

    unit: str = ""
    every: int = 1
    read_as: str = ""
    absent: int = 0
    missing: int = 0
    filled: int = 0
    duplicates: int = 0
    season: Seasonality | None = None

    def counted(self, number: int) -> str:
        """``1 month``, ``3 weeks``; ``step`` where there is no calendar."""
        unit = _SHORT.get(self.unit, self.unit) or "step"
        if self.unit and self.every > 1:
            unit = f"step of {self.every} {unit}s" if number == 1 else f"steps of {self.every} {unit}s"
            return f"{number} {unit}"
        return f"{number} {unit}" if number == 1 else f"{number} {_MANY.get(unit, f'{unit}s')}"

    @property
    def step_text(self) -> str:
        """The step of the calendar, such as ``1 month``; empty where none was recognised."""
        if not self.unit:
            return ""
        unit = _SHORT.get(self.unit, self.unit)
        return f"{self.every} {unit}" if self.every == 1 else f"{self.every} {unit}s"

    def sentences(self, n: int, *, season: int | None = None, seasonal: bool = False) -> list[str]:
        """What a report says of it beside the length and the step of a series of `n` samples.

        `seasonal` says whether the analysis can take a season out by an argument of that name.
        """
        said = [f"Times were read as {self.read_as}."] if self.read_as else []
        if self.filled:
            said.append(
                f"{self.filled} of {n} samples ({_percent(self.filled / n)}) were filled, not observed: filling raises "
                "autocorrelation and lowers variance where it is frequent."
            )
        found = self.season
        if found is None or not found.notable:
            return said
        about = (
            f"a cycle of {found.period} samples (one {found.cycle}) makes up {_percent(found.share)} of the variance"
        )
        if season == found.period:
            said.append(f"Season: {about}; it was taken out first.")
        elif season is None:
            way = f'give season={found.period} (with detrend="stl", or any other)' if seasonal else "take it out first"
            said.append(f"Season: {about} and was not taken out: {way}.")
        else:
            said.append(f"Season: {about}; a season of {season} samples was taken out instead.")
        return said


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.1g} %"
