"""One self-contained HTML page, or a notebook's fragment, from a result.

Every text that came from the user goes through :func:`html.escape`; figures are data URIs; nothing is fetched from
outside.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from ews import summary
from ews._common.page import SVG_POINTS, SYMBOLS, card, cell, configuration, definitions, figure, table
from ews._common.page import document as any_document
from ews._common.words import listed
from ews.results import Detection, Detections

MOST_IN_FULL = 20  # series; the page has about 0.4 MB for each

__all__ = ["SVG_POINTS", "detection_body", "document", "fragment", "page"]

REFERENCES = (
    "Scheffer, M. et al. (2009). Early-warning signals for critical transitions. Nature 461, 53–59.",
    "Dakos, V. et al. (2008). Slowing down as an early warning signal for abrupt climate change. PNAS 105, "
    "14308–14312.",
    "Dakos, V. et al. (2012). Methods for detecting early warnings of critical transitions in time series illustrated "
    "using simulated ecological data. PLoS ONE 7, e41010.",
    "Boettiger, C. & Hastings, A. (2012). Quantifying limits to detection of early warning for critical transitions. "
    "J. R. Soc. Interface 9, 2527–2539.",
    "Westfall, P. H. & Young, S. S. (1993). Resampling-based multiple testing. Wiley.",
    "Nyblom, J. (1989). Testing for the constancy of parameters over time. JASA 84, 223–230.",
    "Marcus, R., Peritz, E. & Gabriel, K. R. (1976). On closed testing procedures with special reference to ordered "
    "analysis of variance. Biometrika 63, 655–660.",
    "Killick, R., Fearnhead, P. & Eckley, I. A. (2012). Optimal detection of changepoints with a linear computational "
    "cost. JASA 107, 1590–1598.",
)


def page(result: Detection | Detections) -> str:
    """Write a result as one HTML page that needs nothing from outside.

    Parameters
    ----------
    result : Detection or Detections
        One series or several.

    Returns
    -------
    str
        The page: verdict and reasons, figure, table, methods, configuration and seed, references. It prints, and
        follows the reader's dark mode.

    Examples
    --------
    >>> import numpy as np, ews
    >>> from ews.report import page
    >>> result = ews.detect(np.random.default_rng(1).standard_normal(100), n_surrogates=99)
    >>> page(result).startswith("<!DOCTYPE html>")
    True
    """
    if isinstance(result, Detections):
        title = f"Early-warning signals in {len(result)} series"
        body = _detections_body(result)
    else:
        title = f"Early-warning signals in {result.name}"
        body = detection_body(result)
    return document(title, body)


def document(title: str, body: str) -> str:
    """A page around a body, with the caution and the references of the tests."""
    end = (
        f'<p class="caution">{escape(summary.CAUTION)}</p>\n'
        f"<h2>References</h2>\n<ol>{''.join(f'<li>{escape(reference)}</li>' for reference in REFERENCES)}</ol>\n"
    )
    return any_document(title, body, end=end)


def fragment(result: Detection | Detections) -> str:
    """Write a result as compact HTML for a notebook's output cell.

    Parameters
    ----------
    result : Detection or Detections
        One series or several.

    Returns
    -------
    str
        Verdict, table and a small figure, with styles of their own elements only.

    Examples
    --------
    >>> import numpy as np, ews
    >>> from ews.report import fragment
    >>> result = ews.detect(np.random.default_rng(1).standard_normal(100), n_surrogates=99)
    >>> "<script" in fragment(result)
    False
    """
    if isinstance(result, Detections):
        said = escape(summary.chance_text(result))
        numbers = _detections_table(result)
    else:
        reasons = " ".join(escape(summary.typeset(summary.sentence(reason))) for reason in result.reasons)
        said = f"<b>{SYMBOLS[result.verdict]} {escape(result.name)}: {escape(result.verdict)}.</b> {reasons}"
        numbers = _statistics_table(result)
    drawing = result.plot() if len(_each(result)) else None
    return cell(said, numbers, drawing, alternative=_alternative(result))


def detection_body(detection: Detection) -> str:
    """Verdict, figure, table, methods and configuration of one detection."""
    notes = " ".join(map(summary.sentence, detection.series.notes))
    data = {
        "Data": summary.data_text(detection),
        "Notes": notes or "The series was used as given.",
        "Shifts": summary.change_points_text(detection),
        "Power": summary.power_text(detection),
    }
    return "\n".join(
        [
            card(detection.verdict, detection.reasons),
            _figure(detection),
            f"<p>{escape(summary.kind_text(detection))}</p>",
            *_tests(detection),
            "<h2>Trends of the indicators</h2>",
            f'<div class="scroll">{_statistics_table(detection)}</div>',
            *([f"<p>{escape(note)}</p>"] if (note := summary.interval_note(detection)) else []),
            "<h2>Methods</h2>",
            f"<p>{escape(_methods(detection))}</p>",
            "<h2>Data and further results</h2>",
            definitions(data.items()),
            "<h2>Configuration</h2>",
            configuration(detection.config),
        ]
    )


def _detections_body(detections: Detections) -> str:
    if not detections:
        return "<p>No series.</p>"
    parts = [
        f'<div class="card open">{escape(summary.chance_text(detections))}</div>',
        _figure(detections),
        f'<div class="scroll">{_detections_table(detections)}</div>',
    ]
    shown = {column: detections[column] for column in summary.in_order(detections)[:MOST_IN_FULL]}
    if len(shown) < len(detections):
        parts.append(
            f"<p>The table has all {len(detections)} series. Of {len(shown)} of them figures and numbers follow, those "
            "that warn first: a page with all would not open. For any other take its own page, as in "
            "<code>result[name].to_html()</code>.</p>"
        )
    for column, detection in shown.items():
        parts.append(f'<section class="one">\n<h2>{escape(column)}</h2>\n{detection_body(detection)}\n</section>')
    return "\n".join(parts)


def _methods(detection: Detection) -> str:
    """The methods paragraph, as it could stand in a paper."""
    config = detection.config
    labels = [indicator.label[:1].lower() + indicator.label[1:] for indicator in detection.indicators.values()]
    sentences = [
        f"Detrending: {detection.detrend_sentence.rstrip('.')}.",
        f"{listed(labels)[:1].upper()}{listed(labels)[1:]} were measured on the residual in a rolling window of "
        f"{summary.window_text(detection)[:1].lower()}{summary.window_text(detection)[1:]}",
    ]
    if config.n_surrogates:
        null = detection.null_sentence.rstrip(".")
        sentences.append(f"The null was {null}; {summary.surrogates_text(detection)}")
    sentences.append(summary.significance_text(detection))
    return " ".join(sentences)


def _figure(result: Detection | Detections) -> str:
    caption = (
        "Left: series with the trend taken out. Right: trend of each indicator with its interval, on the range that "
        "holds 95 % of the surrogates' trends."
        if isinstance(result, Detections)
        else "The series with the trend taken out and shifts of its mean; the residual; what drifted most, with its "
        "interval, where score tests were made; each indicator, stamped at the right edge of its window, on the range "
        "that holds 95 % of the surrogates at each time. Beside an indicator, how the surrogates' trends are "
        "distributed and where the observed one lies."
    )
    drawn = sum(len(detection.series) * (3 + len(detection.indicators)) for detection in _each(result).values())
    return figure(result.plot(), alternative=_alternative(result), points=drawn, caption=caption)


def _alternative(result: Detection | Detections) -> str:
    """What the figure shows, for who cannot see it."""
    if isinstance(result, Detections):
        return summary.chance_text(result)
    trends = ", ".join(
        f"{indicator.label} {summary.statistic_text(result.tau[name], result)}"
        for name, indicator in result.indicators.items()
    )
    return f"{result.name}: {result.verdict}. Trends of the indicators: {trends}."


def _tests(detection: Detection) -> list[str]:
    """The score tests; nothing where the trends are the test."""
    if detection.scores is None:
        return []
    strong = [not detection.untellable and one.name in detection.scores.kinds for one in detection.tests]
    made = table(summary.tests_header(detection), summary.tests_rows(detection), strong)
    return [
        "<h2>Score tests</h2>",
        f'<div class="scroll">{made}</div>',
        f"<p>{escape(summary.context_text(detection))}</p>",
    ]


def _statistics_table(detection: Detection) -> str:
    emphasised = [summary.counts(detection, name) for name in detection.indicators]
    return table(summary.statistics_header(detection), summary.statistics_rows(detection), emphasised)


def _detections_table(detections: Detections) -> str:
    emphasised = [detections[column].verdict == "warning" for column in summary.in_order(detections)]
    if detections and next(iter(detections.values())).scores is not None:
        header = ["series", "n", "verdict", "power", "q", *summary.SHORT.values()]
        return table(header, summary.rows_by_column(detections, list(summary.SHORT), summary.p_text), emphasised)
    names = list(dict.fromkeys(name for detection in detections.values() for name in detection.indicators))
    rows = []
    for column in summary.in_order(detections):
        detection = detections[column]
        cells = [column, str(len(detection.series)), detection.verdict, summary.power_number(detection)]
        for name in names:
            known = name in detection.indicators
            tau = summary.statistic_text(detection.tau[name], detection) if known else "–"
            cells.append(f"{tau} ({summary.p_text(detection.pvalue_adjusted[name])})" if known else "–")
        rows.append(cells)
    return table(["series", "n", "verdict", "power", *(f"{name}: trend (adj. p)" for name in names)], rows, emphasised)


def _each(result: Detection | Detections) -> Mapping[str, Detection]:
    return result if isinstance(result, Detections) else {result.name: result}
