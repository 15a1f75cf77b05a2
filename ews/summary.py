"""Results in words: the plain-text report, and the wording of numbers that the figure and the page share with it."""

from __future__ import annotations

import math
import re
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from ews._common.alarms import Statistic
from ews._common.layout import WIDTH, by_column, fitting_table, section, shortened, table, wrap

if TYPE_CHECKING:
    from ews.results import Detection, Detections
    from ews.series import Series

__all__ = [
    "CAUTION",
    "alarm_text",
    "chance_text",
    "change_points_text",
    "control_text",
    "counts",
    "data_text",
    "detection_summary",
    "detections_summary",
    "false_discovery_text",
    "number_text",
    "p_text",
    "power_number",
    "power_text",
    "sentence",
    "series_text",
    "statistic_text",
    "statistics_rows",
    "surrogates_text",
    "significance_text",
    "time_text",
    "trend_name",
    "trend_symbol",
    "typeset",
    "verdict_text",
    "window_text",
]

CAUTION = (
    "A rising indicator is not proof: not every abrupt shift is preceded by slowing down, and not every slowing down "
    "ends in a shift. The p-values hold for the null named above and for a record that was not chosen because it ended "
    "in a collapse."
)
_TRENDS = {
    "kendall": ("Kendall's τ", "τ"),
    "spearman": ("Spearman's ρ", "ρ"),
    "theil_sen": ("Theil–Sen slope", "slope"),
}
_ALARMS = {"up": "rise", "down": "fall", "both": "either"}


def detection_summary(detection: Detection) -> str:
    """Report one detection as plain text of at most 100 columns.

    Parameters
    ----------
    detection : Detection
        The result.

    Returns
    -------
    str
        Verdict and reasons; data and methods with every choice and the seed; one line for each indicator; change
        points; power; and what the result cannot say.

    Examples
    --------
    >>> import ews
    >>> from ews.summary import detection_summary
    >>> population = ews.models.harvested_population(n=200, seed=1)
    >>> result = ews.detect(population.values, until=population.transition, n_surrogates=99)
    >>> print(detection_summary(result).splitlines()[0])
    Early-warning signals in 'series'
    """
    lines = [verdict_text(detection), ""]
    lines += section("Data", data_text(detection))
    for note in detection.series.notes:
        lines += section("", sentence(f"Note: {note}"))
    lines += section("Detrending", sentence(detection.detrend_sentence))
    lines += section("Window", window_text(detection))
    if detection.config.n_surrogates:
        lines += section("Null", f"{sentence(detection.null_sentence)} {surrogates_text(detection)}")
    lines += section("Test", significance_text(detection))
    lines.append("")
    lines += table(statistics_header(detection), statistics_rows(detection))
    lines.append("")
    lines += section("Shifts", change_points_text(detection))
    lines += section("Power", power_text(detection))
    lines += section("Caution", CAUTION)
    return "\n".join(lines)


def verdict_text(detection: Detection) -> str:
    """Heading, verdict and reasons: the first lines of :func:`detection_summary`."""
    heading = shortened(f"Early-warning signals in {detection.name!r}", WIDTH)
    lines = [heading, "=" * len(heading), "", f"Verdict: {detection.verdict.upper()}"]
    for reason in detection.reasons:
        lines += wrap(sentence(reason), first="  - ", rest="    ")
    return "\n".join(lines)


def detections_summary(detections: Detections) -> str:
    """Report several detections, one line each.

    Parameters
    ----------
    detections : Detections
        Results by column.

    Returns
    -------
    str
        A table of verdicts, power, trends and adjusted p-values; how many warnings chance alone would give; notes and
        methods, by column where they differ.

    Examples
    --------
    >>> import ews
    >>> from ews.summary import detections_summary
    >>> print(detections_summary(ews.Detections({})))
    No series.
    """
    if not detections:
        return "No series."
    heading = f"Early-warning signals in {len(detections)} series"
    names = list(dict.fromkeys(name for detection in detections.values() for name in detection.indicators))
    header = ["series", "n", "verdict", "power", "q", *names]
    rows = []
    for column, detection in detections.items():
        row = [shortened(column, 24), str(len(detection.series)), detection.verdict, power_number(detection)]
        row.append(p_text(detections.qvalue[column]))
        for name in names:
            if name not in detection.indicators:
                row.append("–")
                continue
            mark = "*" if counts(detection, name) else " "
            row.append(
                f"{statistic_text(detection.tau[name], detection)} ({p_text(detection.pvalue_adjusted[name])}){mark}"
            )
        rows.append(row)
    lines = [heading, "=" * len(heading), ""]
    lines += fitting_table(header, rows, fixed=5)
    one = next(iter(detections.values()))  # the choices are the same for all
    cells = f"Each cell: {trend_name(one.config.trend)} (adjusted p); * significant in the direction of alarm."
    lines += textwrap.wrap(f"{cells} q: the false discovery rate over the series at which this one still warns.", WIDTH)
    lines += ["", *textwrap.wrap(chance_text(detections), WIDTH), ""]
    lines += by_column(
        "Notes", {column: [*map(sentence, detection.series.notes)] for column, detection in detections.items()}
    )
    lines += by_column("Detrending", {column: [sentence(each.detrend_sentence)] for column, each in detections.items()})
    lines += section("Window", f"{100 * one.config.window_fraction:.3g} % of each record, stamped at its right edge.")
    if one.config.n_surrogates:
        lines += section("Null", f"{one.config.null}, fitted to each residual. {surrogates_text(one)}")
    lines += section("Test", significance_text(one))
    if one.config.n_surrogates:
        text = "Share of positive controls of the series' length that get a warning from the same test."
        lines += section("Power", f"{text} {control_text(one)}".rstrip())
    lines += section("Caution", CAUTION)
    return "\n".join(lines)


def counts(detection: Detection, name: str) -> bool:
    """Whether an indicator makes for a warning: adjusted p ≤ alpha, in its direction of alarm."""
    tau, p = np.array(detection.tau[name]), np.array(detection.pvalue_adjusted[name])
    return bool(Statistic(detection.indicators[name].alarm).warns(tau, p, detection.config.alpha))


def number_text(value: float, digits: int = 4) -> str:
    """A number to `digits` significant digits, without needless zeros; minus is a hyphen, as code reads it."""
    return "–" if not math.isfinite(value) else f"{value:.{digits}g}"


def p_text(p: float) -> str:
    """A p-value to two significant digits where it matters; never 0, and 1 only where it is 1."""
    if math.isnan(p):
        return "–"
    if p < 0.001:
        return "< 0.001"
    return f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def p_clause(p: float) -> str:
    """``p = 0.012`` or ``p < 0.001``, as it stands in a sentence."""
    text = p_text(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def statistic_text(value: float, detection: Detection) -> str:
    """A trend statistic with its sign: two decimals for a rank correlation, else three significant digits."""
    if not math.isfinite(value):
        return "–"
    return f"{value:+.3g}" if detection.config.trend == "theil_sen" else f"{value:+.2f}"


def typeset(text: str) -> str:
    """Hyphens before a number as minus signs, for figures and pages; names such as lag-1 keep theirs."""
    return re.sub(r"(?<![\w.])-(?=[\d.])", "−", text)


def trend_name(trend: str) -> str:
    """What a sentence calls a trend statistic."""
    return _TRENDS.get(trend, (trend, trend))[0]


def trend_symbol(trend: str) -> str:
    """What a table calls it."""
    return _TRENDS.get(trend, (trend, trend))[1]


def alarm_text(alarm: str) -> str:
    """``rise``, ``fall`` or ``either``."""
    return _ALARMS[alarm]


def time_text(time: Any) -> str:
    """A time as short as it can be said: dates without an empty time of day, numbers without needless digits."""
    if isinstance(time, np.datetime64):
        text = str(time.astype("datetime64[s]"))
        return text.removesuffix("T00:00:00").replace("T", " ")
    return f"{float(time):.10g}"


def sentence(text: str) -> str:
    """`text` with a capital and a full stop."""
    text = text.strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def data_text(detection: Detection) -> str:
    """How many observations, from when to when, how far apart; what was recognised in the times, and filled."""
    return series_text(detection.series, detection.config)


def series_text(series: Series, config: Any = None, *, step: str = "step") -> str:
    """:func:`data_text` of any series; `config` is asked whether a season was, or could have been, taken out."""
    unit = f" {series.step_unit}" if series.step_unit else ""
    if unit == " days" and series.step == 1:
        unit = " day"
    axis = f" ({series.time_name})" if series.time_name else ""
    calendar = "" if unit == " day" else series.sampling.step_text
    known = f" ({calendar})" if calendar else ""
    text = (
        f"{len(series)} observations from {time_text(series.time[0])} to {time_text(series.time[-1])}{axis}, "
        f"{step} {number_text(series.step)}{unit}{known}."
    )
    season, seasonal = getattr(config, "season", None), hasattr(config, "season")
    return " ".join([text, *series.sampling.sentences(len(series), season=season, seasonal=seasonal)])


def window_text(detection: Detection) -> str:
    """Window length, and that its values stand at its right edge."""
    config = detection.config
    edge = detection.series.time[config.window - 1]
    return (
        f"{config.window} samples ({100 * config.window_fraction:.3g} % of the record). Each value stands at the right "
        f"edge of its window, the first at {time_text(edge)}."
    )


def surrogates_text(detection: Detection) -> str:
    """How many surrogates, what they went through, and the seed."""
    config = detection.config
    count = f"{config.n_surrogates} surrogates"
    if config.detrend == "difference":  # nothing is fitted to differences, so nothing is taken out of surrogates again
        return f"{count} of the differences, each windowed as the differences were; seed {config.seed}."
    steps = [] if config.season is None else ["deseasonalised"]
    steps += [] if config.detrend is None else ["detrended"]
    again = f"{', '.join(steps)} and windowed" if steps else "windowed"
    return f"{count} of the residual, each {again} again as the series was; seed {config.seed}."


def significance_text(detection: Detection) -> str:
    """The statistic, how its p-value is made, and the level."""
    config = detection.config
    name = trend_name(config.trend)
    if not config.n_surrogates:
        return f"{name} of each indicator; no surrogates were asked for, so there are no p-values (seed {config.seed})."
    return (
        f"{name} of each indicator against the surrogates, two-sided; adjusted p by min-p over "
        f"{_count(len(detection.indicators), 'indicator')} (Westfall & Young 1993); level {config.alpha:g}."
    )


def change_points_text(detection: Detection) -> str:
    """Where the mean of the series shifts."""
    times = detection.changepoints.time
    if not len(times):
        return "No shift of the mean was found (least-squares optimal partitioning, penalty allowing for memory)."
    where = ", ".join(time_text(time) for time in times)
    text = f"The mean of the series shifts at {where} (least-squares optimal partitioning)."
    if len(times) > 2:  # a staircase is the best that steps can make of a slope
        text += " Several shifts in one direction describe a gradual trend."
    return f"{text} A shift that detrending leaves in the residual raises variance and autocorrelation by itself."


def power_text(detection: Detection) -> str:
    """How often a positive control of this length would have warned."""
    if detection.power is None:
        return "Not estimated, as there are no surrogates."
    text = f"{100 * detection.power:.0f} % of positive controls get a warning from the same test."
    return f"{text} {control_text(detection)}".rstrip()


def power_number(detection: Detection) -> str:
    """Power as a table shows it."""
    return "–" if detection.power is None else f"{100 * detection.power:.0f} %"


def control_text(detection: Detection) -> str:
    """What a positive control is, and what it is tested against where that is not the null of the series."""
    text = sentence(detection.power_sentence) if detection.power_sentence else ""
    if detection.config.null != "ar1":
        text += f" The control is tested against red noise (AR(1)), not against the null {detection.config.null!r}."
    return text.strip()


def chance_text(detections: Detections) -> str:
    """How many warnings there are beside how many chance alone would give, and which stay when all are screened."""
    tested = [detection for detection in detections.values() if detection.config.n_surrogates]
    warned = sum(detection.verdict == "warning" for detection in detections.values())
    text = f"{warned} of {len(detections)} series warn."
    if not tested:
        return f"{text} No surrogates were asked for, so none could."
    expected = sum(detection.config.alpha for detection in tested)
    levels = sorted({detection.config.alpha for detection in tested})
    level = f"{levels[0]:g}" if len(levels) == 1 else "their levels"
    return f"{_chance(text, expected, level)} {false_discovery_text(detections)}"


def false_discovery_text(detections: Detections, rate: float = 0.05) -> str:
    """Which warnings stay at a false discovery rate over all series."""
    kept = detections.warnings(rate)
    first = ", ".join(repr(shortened(name, 24)) for name in kept[:8])
    which = f": {first}{', …' if len(kept) > 8 else ''}" if kept else ""
    text = (
        f"At a false discovery rate of {rate:g} over the series (Benjamini & Hochberg 1995), {len(kept)} stay{which}."
    )
    if len(kept) == 1:
        text = text.replace("1 stay", "1 stays")
    # What one series alone could reach with every surrogate less extreme.
    fewest = min((one.config.n_surrogates for one in detections.values() if one.config.n_surrogates), default=0)
    least = 2.0 * len(detections) / (1.0 + fewest)
    if not kept and least > rate:
        text += (
            f" With {fewest} surrogates a series alone among {len(detections)} cannot get a q below "
            f"{min(least, 1.0):.2g}: draw more."
        )
    return text


def _chance(text: str, expected: float, level: str) -> str:
    return (
        f"{text} If nothing changed in any of them, at most about {expected:.2g} "
        f"{'warning' if expected == 1 else 'warnings'} would be expected by chance at level {level}: p-values are "
        "adjusted over the indicators of a series."
    )


def statistics_header(detection: Detection) -> list[str]:
    """Headings of :func:`statistics_rows`."""
    level = f"{100 * (1 - detection.config.alpha):g} % interval"
    return ["indicator", trend_symbol(detection.config.trend), level, "p", "adjusted p", "alarm", "counts"]


def statistics_rows(detection: Detection) -> list[list[str]]:
    """One row for each indicator: label, trend, interval, p-values, direction of alarm, whether it makes a warning."""
    rows = []
    for name, indicator in detection.indicators.items():
        low, high = (statistic_text(bound, detection) for bound in detection.tau_interval[name])
        tested = not math.isnan(detection.pvalue_adjusted[name])
        rows.append(
            [
                indicator.label,
                statistic_text(detection.tau[name], detection),
                f"{low} to {high}" if low != "–" else "–",
                p_text(detection.pvalue[name]),
                p_text(detection.pvalue_adjusted[name]),
                alarm_text(indicator.alarm),
                ("yes" if counts(detection, name) else "no") if tested else "–",
            ]
        )
    return rows


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
