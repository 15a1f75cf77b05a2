"""Detections in words: the report, and the wording that the figure and the page share with it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ews._common.alarms import Statistic
from ews._common.layout import WIDTH, Report, distinct
from ews._common.words import (
    alarm_text,
    counted,
    listed,
    number_text,
    p_clause,
    p_text,
    sentence,
    series_text,
    time_text,
    trend_name,
    trend_symbol,
    typeset,
)

if TYPE_CHECKING:
    from ews.results import Detection, Detections

__all__ = [
    "CAUTION",
    "SHORT",
    "alarm_text",
    "chance_text",
    "bifurcation_text",
    "change_points_text",
    "context_text",
    "control_text",
    "counts",
    "data_text",
    "detection_summary",
    "detections_summary",
    "false_discovery_text",
    "detection_report",
    "in_order",
    "interval_note",
    "kind_text",
    "number_text",
    "p_clause",
    "p_text",
    "power_number",
    "power_text",
    "rows_by_column",
    "sentence",
    "series_text",
    "statistic_text",
    "statistics_rows",
    "surrogates_text",
    "tests_header",
    "tests_rows",
    "significance_text",
    "time_text",
    "trend_name",
    "trend_symbol",
    "typeset",
    "verdict_text",
    "window_text",
]

# What a table of several series calls the score tests, and the bifurcation.
SHORT = {
    "towards": "towards",
    "memory towards +1": "to +1",
    "memory towards −1": "to −1",
    "damping": "damping",
    "variance": "noise",
}
# Characters of a name in a table.
NAME_WIDTH = 24
CAUTION = (
    "A rising indicator is not proof: not every abrupt shift is preceded by slowing down, and not every slowing down "
    "ends in a shift. The p-values hold for the null named above and for a record that was not chosen because it ended "
    "in a collapse."
)


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
    return detection_report(detection).text()


def detection_report(detection: Detection) -> Report:
    """What a detection says, to be set as text or as HTML."""
    report = Report(f"Early-warning signals in {detection.name!r}", detection.verdict, detection.reasons)
    report.section("Kind", kind_text(detection))
    report.section("Data", data_text(detection))
    report.notes(detection.series.notes)
    report.section("Detrending", sentence(detection.detrend_sentence))
    if detection.config.n_surrogates:
        report.section("Null", f"{sentence(detection.null_sentence)} {surrogates_text(detection)}")
    report.section("Test", significance_text(detection))
    if detection.scores is not None:
        strong = [not detection.untellable and one.name in detection.scores.kinds for one in detection.tests]
        report.table(tests_header(detection), tests_rows(detection), strong=strong)
        report.section("Indicators", f"{window_text(detection)} {context_text(detection)}")
    else:
        report.section("Window", window_text(detection))
    report.table(statistics_header(detection), statistics_rows(detection))
    if note := interval_note(detection):
        report.paragraph(note)
    report.section("Shifts", change_points_text(detection))
    report.section("Power", power_text(detection))
    report.section("Caution", CAUTION)
    return report


def kind_text(detection: Detection) -> str:
    """What moved, and towards which bifurcation."""
    if not detection.config.n_surrogates:
        return "Not tested, as there are no surrogates."
    if detection.untellable:
        return "None that could be told from these values."
    if detection.kind == "none":
        return "Nothing moves beyond what the null gives."
    said = sentence(detection.kind).rstrip(".")
    if detection.bifurcation is None:
        return f"{said}."
    names = [detection.bifurcation, *detection.rivals]
    shares = listed([f"{bifurcation_text(name)} ({detection.probability[name]:.2f})" for name in names])
    return f"{said}, {'towards a' if len(names) == 1 else 'undecided between'} {shares}."


def bifurcation_text(name: str) -> str:
    """A bifurcation as it stands in a sentence."""
    return "Hopf" if name == "hopf" else name


def verdict_text(detection: Detection) -> str:
    """Heading, verdict and reasons: the first lines of :func:`detection_summary`."""
    return Report(f"Early-warning signals in {detection.name!r}", detection.verdict, detection.reasons).text()


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
    return detections_report(detections).text() if detections else "No series."


def detections_report(detections: Detections) -> Report:
    """What several detections say, to be set as text or as HTML."""
    names = list(dict.fromkeys(name for detection in detections.values() for name in detection.indicators))
    scored = next(iter(detections.values())).scores is not None
    names = list(SHORT) if scored else names
    header = ["series", "n", "verdict", "power", "q", *(SHORT.values() if scored else names)]
    rows = rows_by_column(detections, names, p_text)
    lengths = {len(detection.series) for detection in detections.values()}
    each = ""
    longest = min(NAME_WIDTH, max(map(len, detections)))
    if _beside(header, rows) > WIDTH - longest - 2:  # tighter, so that the indicators stay in one table
        rows = rows_by_column(detections, names, _tight_p)
        if len(lengths) == 1:
            header, rows = [header[0], *header[2:]], [[row[0], *row[2:]] for row in rows]
            each = f"{lengths.pop()} observations each. "
    shown = distinct(detections, max(12, min(NAME_WIDTH, WIDTH - 2 - _beside(header, rows))))
    rows = [[shown[row[0]], *row[1:]] for row in rows]
    report = Report(f"Early-warning signals in {len(detections)} series")
    one = next(iter(detections.values()))  # the choices are the same for all
    cells = f"{each}Each cell: {trend_name(one.config.trend)} (adjusted p); * significant in the direction of alarm."
    if scored:
        cells = f"{each}Each cell: family-wise p of a drift of memory towards +1 or −1, of damping, of the noise; *"
        cells += " significant. Towards: the likeliest bifurcation."
    cells += " q: the false discovery rate over the series at which this one still warns. Warnings first, then by q."
    report.table(header, rows, fixed=len(header) - len(names), below=cells)
    report.paragraph(chance_text(detections))
    report.by_column(
        "Notes", {column: [*map(sentence, detection.series.notes)] for column, detection in detections.items()}
    )
    report.by_column("Detrending", {column: [sentence(each.detrend_sentence)] for column, each in detections.items()})
    report.section("Window", f"{100 * one.config.window_fraction:.3g} % of each record, stamped at its right edge.")
    if one.config.n_surrogates:
        report.section("Null", f"{one.config.null}, fitted to each residual. {surrogates_text(one)}")
    report.section("Test", significance_text(one))
    if one.config.n_surrogates:
        text = "Share of positive controls of the series' length that get a warning from the same test."
        report.section("Power", f"{text} {control_text(one)}".rstrip())
    report.section("Caution", CAUTION)
    return report


def in_order(detections: Detections) -> list[str]:
    """Columns as tables and figures list them: warnings first, then the smallest q and p."""

    def place(column: str) -> tuple[bool, float, float]:
        q, p = detections.qvalue[column], detections.pvalue[column]
        return detections[column].verdict != "warning", 2.0 if math.isnan(q) else q, 2.0 if math.isnan(p) else p

    return sorted(detections, key=place)


def rows_by_column(detections: Detections, names: list[str], p_text: Callable[[float], str]) -> list[list[str]]:
    """A row for each column: name, length, verdict, power, q, and the trend of each indicator."""
    rows = []
    for column in in_order(detections):
        detection = detections[column]
        row = [column, str(len(detection.series)), detection.verdict, power_number(detection)]
        row.append(p_text(detections.qvalue[column]))
        for name in names:
            if detection.scores is not None:
                row.append(_of_test(detection, name, p_text))
                continue
            if name not in detection.indicators:
                row.append("–")
                continue
            mark = "*" if counts(detection, name) else " "
            p = p_text(detection.pvalue_adjusted[name])
            row.append(f"{statistic_text(detection.tau[name], detection)} ({p}){mark}")
        rows.append(row)
    return rows


def _of_test(detection: Detection, name: str, p_text: Callable[[float], str]) -> str:
    """What a table of several series says of one score test; of the bifurcation where there is no such test."""
    if name == "towards":
        return bifurcation_text(detection.bifurcation) if detection.bifurcation else "–"
    one = next(one for one in detection.tests if one.name == name)
    return f"{p_text(one.adjusted)}{'*' if one.adjusted <= detection.config.alpha else ' '}"


def _beside(header: list[str], rows: list[list[str]]) -> int:
    """Width of a table without its first column."""
    return sum(2 + max(len(row[i]) for row in [header, *rows]) for i in range(1, len(header)))


def _tight_p(p: float) -> str:
    """A p-value for a narrow column: ``.012``, ``<.001``."""
    return p_text(p).replace(" ", "").replace("0.", ".", 1)


def counts(detection: Detection, name: str) -> bool:
    """Whether the trend of an indicator is significant: adjusted p ≤ alpha, in its direction of alarm."""
    tau, p = np.array(detection.tau[name]), np.array(detection.pvalue_adjusted[name])
    return bool(Statistic(detection.indicators[name].alarm).warns(tau, p, detection.config.alpha))


def statistic_text(value: float, detection: Detection) -> str:
    """A trend statistic with its sign: two decimals for a rank correlation, else three significant digits."""
    if not math.isfinite(value):
        return "–"
    return f"{value:+.3g}" if detection.config.trend == "theil_sen" else f"{value:+.2f}"


def data_text(detection: Detection) -> str:
    """How many observations, from when to when, how far apart; what was recognised in the times, and filled."""
    return series_text(detection.series, detection.config)


def window_text(detection: Detection) -> str:
    """Window length, and that its values stand at its right edge."""
    config = detection.config
    edge = detection.series.time[config.window - 1]
    seen = detection.series.observations
    if seen is not None and seen.use == "kept":
        return (
            f"Stretches of {100 * config.window_fraction:.3g} % of the record's time, whatever they hold of it. Each "
            f"value stands at the right edge of its window, the first at {time_text(edge)} ({config.window} "
            "observations)."
        )
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
    last = "scored" if _scored(detection) else "windowed"
    again = f"{', '.join(steps)} and {last}" if steps else last
    return f"{count} of the residual, each {again} again as the series was; seed {config.seed}."


def _scored(detection: Any) -> bool:
    """Whether score tests gave the verdict; of several variables and of maps the trends do."""
    return getattr(detection, "scores", None) is not None


def context_text(detection: Detection) -> str:
    """What the indicators are for, where they are not the test."""
    drawn = len(next(iter(detection.surrogate_tau.values())))
    against = f", against {drawn} of the surrogates," if drawn else ""
    text = f"The indicators below are context{against} and decide nothing."
    undefined = [detection.indicators[name].label for name, tau in detection.tau.items() if math.isnan(tau)]
    if undefined:
        gaps = detection.series.observations is not None
        where = ", where observations lack or values are equal" if gaps else ", where values are equal"
        text += f" {listed(undefined)} could not be measured in enough of these windows{where}."
    return text


def tests_header(detection: Detection) -> list[str]:
    """Headings of :func:`tests_rows`."""
    return [
        "drift of",
        "score",
        "p",
        "family-wise p",
        "start",
        "end",
        f"{100 * (1 - detection.config.alpha):g} % of change",
    ]


def tests_rows(detection: Detection) -> list[list[str]]:
    """One row for each score test: score, p-values, what drifted, and the interval of its change."""
    return [
        [
            one.name,
            number_text(one.score, 3),
            p_text(one.pvalue),
            p_text(one.adjusted),
            number_text(one.start, 2),
            number_text(one.end, 2),
            f"{number_text(one.drift_low, 2)} to {number_text(one.drift_high, 2)}",
        ]
        for one in detection.tests
    ]


def significance_text(detection: Detection) -> str:
    """The statistic, how its p-value is made, and the level."""
    config = detection.config
    if _scored(detection):
        what = (
            "Score tests of drifting coefficients: memory (lag-1 coefficient), damping (squared modulus of a complex "
            "pair) and noise (standard deviation)"
        )
        if not config.n_surrogates:
            return f"{what}; no surrogates were asked for, so there are no p-values (seed {config.seed})."
        return (
            f"{what}, one-sided, against the surrogates; family-wise p by closed testing with min-p (Marcus et al. "
            f"1976); level {config.alpha:g}.{_at_times_text(detection)}"
        )
    name = trend_name(config.trend)
    if not config.n_surrogates:
        return f"{name} of each indicator; no surrogates were asked for, so there are no p-values (seed {config.seed})."
    return (
        f"{name} of each indicator against the surrogates, two-sided; adjusted p by min-p over "
        f"{counted(len(detection.indicators), 'indicator')} (Westfall & Young 1993); level {config.alpha:g}."
    )


def _at_times_text(detection: Detection) -> str:
    """What the tests cannot tell of observations that are not even and complete."""
    series = getattr(detection, "series", None)
    if series is None or series.observations is None:
        return ""
    text = " With gaps or repeats a mode of oscillation is not looked for, nor noise with such a mode."
    positions = series.observations.positions
    if (positions != np.round(positions)).any():
        text += " At uneven times memory is taken to be positive: a flip is not seen."
    return text


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
    if len(detection.powers) > 1:
        shares = listed([f"{100 * share:.0f} % ({bifurcation_text(kind)})" for kind, share in detection.powers.items()])
        text = f"Of positive controls of this length, {shares} get a warning from the same test."
    else:
        text = f"{100 * detection.power:.0f} % of positive controls get a warning from the same test."
    return f"{text} {control_text(detection)}".rstrip()


def power_number(detection: Detection) -> str:
    """Power as a table shows it."""
    return "–" if detection.power is None else f"{100 * detection.power:.0f} %"


def control_text(detection: Detection) -> str:
    """What a positive control is, and what it is tested against where that is not the null of the series."""
    text = sentence(detection.power_sentence) if detection.power_sentence else ""
    if detection.config.null != "ar1" and not _scored(detection):
        text += f" The control is tested against red noise (AR(1)), not against the null {detection.config.null!r}."
    return text.strip()


def chance_text(detections: Detections) -> str:
    """How many warn by themselves beside how many chance alone would give, and which of them stand among so many."""
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
    warned = sum(detection.verdict == "warning" for detection in detections.values())
    shown = distinct(detections, 24)
    first = ", ".join(repr(shown[name]) for name in kept[:8])
    which = f": {first}{', …' if len(kept) > 8 else ''}" if kept else ""
    text = (
        f"At a false discovery rate of {rate:g} over the series (Benjamini & Hochberg 1995), "
        f"{len(kept)} {'stays' if len(kept) == 1 else 'stay'}{which}."
    )
    if len(kept) < warned:
        others = f"{warned - len(kept)} warn" if warned - len(kept) > 1 else "1 warns"
        text += f" The {'other ' if kept else ''}{others} when tested alone, but would be expected among so many."
    # What one series alone could reach with every surrogate less extreme: one-sided scores, two-sided trends.
    fewest = min((one.config.n_surrogates for one in detections.values() if one.config.n_surrogates), default=0)
    sides = 1.0 if any(one.scores is not None for one in detections.values()) else 2.0
    least = sides * len(detections) / (1.0 + fewest)
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
        "adjusted over what is tested of a series."
    )


def statistics_header(detection: Detection) -> list[str]:
    """Headings of :func:`statistics_rows`."""
    level = f"{100 * (1 - detection.config.alpha):g} % interval"
    symbol = trend_symbol(detection.config.trend)
    if detection.scores is not None:
        return ["indicator", symbol, "p", "adjusted p", "alarm"]
    return ["indicator", symbol, level, "p", "adjusted p", "alarm", "counts"]


def interval_note(detection: Detection) -> str:
    """Why a trend counts although its interval holds 0; empty where none does."""
    across = [
        indicator.label
        for name, indicator in detection.indicators.items()
        if counts(detection, name) and detection.tau_interval[name][0] <= 0.0 <= detection.tau_interval[name][1]
    ]
    if not across:
        return ""
    return (
        f"{listed(across)}: the trend counts although its interval holds 0. The p-value asks how far trends go where "
        "nothing changes; the interval, how far this one may be off when memory and variance drift as estimated, which "
        "is wider in a short record. Take the size of this trend as unknown."
    )


def statistics_rows(detection: Detection) -> list[list[str]]:
    """One row for each indicator: label, trend, interval, p-values, direction of alarm, whether it makes a warning."""
    rows = []
    for name, indicator in detection.indicators.items():
        low, high = (statistic_text(bound, detection) for bound in detection.tau_interval[name])
        tested = not math.isnan(detection.pvalue_adjusted[name])
        if detection.scores is not None:
            p = [p_text(detection.pvalue[name]), p_text(detection.pvalue_adjusted[name])]
            rows.append(
                [indicator.label, statistic_text(detection.tau[name], detection), *p, alarm_text(indicator.alarm)]
            )
            continue
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
