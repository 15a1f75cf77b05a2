"""One self-contained HTML page, or a notebook's fragment, from a result.

Every text that came from the user goes through :func:`html.escape`; figures are data URIs; nothing is fetched from
outside.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from html import escape
from io import BytesIO, StringIO
from typing import TYPE_CHECKING

from ews import summary
from ews.results import Detection, Detections

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ews._analysis.assessment.result import Assessment

__all__ = ["card", "detection_body", "document", "fragment", "image", "page"]

# Above this many drawn points an SVG weighs more than a bitmap of print quality.
SVG_POINTS = 20_000
_CLASSES = {"warning": "warning", "no warning": "calm", "inconclusive": "open"}
_SYMBOLS = {"warning": "▲", "no warning": "●", "inconclusive": "○"}  # the verdict does not hang on colour alone
REFERENCES = (
    "Scheffer, M. et al. (2009). Early-warning signals for critical transitions. Nature 461, 53–59.",
    "Dakos, V. et al. (2008). Slowing down as an early warning signal for abrupt climate change. PNAS 105, "
    "14308–14312.",
    "Dakos, V. et al. (2012). Methods for detecting early warnings of critical transitions in time series illustrated "
    "using simulated ecological data. PLoS ONE 7, e41010.",
    "Boettiger, C. & Hastings, A. (2012). Quantifying limits to detection of early warning for critical transitions. "
    "J. R. Soc. Interface 9, 2527–2539.",
    "Westfall, P. H. & Young, S. S. (1993). Resampling-based multiple testing. Wiley.",
    "Killick, R., Fearnhead, P. & Eckley, I. A. (2012). Optimal detection of changepoints with a linear computational "
    "cost. JASA 107, 1590–1598.",
)

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --soft: #5c5c5c; --paper: #ffffff; --line: #d5d5d5; --card: #f6f6f4;
  --warning: #a84300; --calm: #005b8e; --open: #555555; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e6e1; --soft: #a8a6a1; --paper: #17181a; --line: #3b3d40;
  --card: #222427; --warning: #ff9a52; --calm: #6cb9ee; --open: #b5b5b5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 54rem; padding: 2.5rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 Charter, "Bitstream Charter", "Sitka Text", Cambria, Georgia, serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 1.25rem; }
h2 { font-size: 1.15rem; margin: 2.25rem 0 .6rem; }
.card { border-left: .35rem solid var(--open); background: var(--card); padding: .9rem 1.2rem; border-radius: .25rem; }
.card p { margin: 0; font-size: 1.25rem; font-weight: 700; color: var(--open); }
.card ul { margin: .4rem 0 0; padding-left: 1.2rem; }
.card.warning { border-color: var(--warning); } .card.warning p { color: var(--warning); }
.card.calm { border-color: var(--calm); } .card.calm p { color: var(--calm); }
figure { margin: 1.75rem 0; background: #ffffff; border-radius: .25rem; }
figure img { display: block; width: 100%; height: auto; }
figcaption { background: var(--paper); color: var(--soft); font-size: .87rem; padding-top: .5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .93rem;
  border-top: 1.5px solid var(--ink); border-bottom: 1.5px solid var(--ink); }
th, td { padding: .3rem .6rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; white-space: normal; min-width: 9rem; }
thead th { border-bottom: .75px solid var(--ink); font-weight: 600; }
tr.counts td { font-weight: 700; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; margin: 0; font-size: .93rem; }
dt { color: var(--soft); } dd { margin: 0; }
code { font: .9em ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; }
ol { padding-left: 1.3rem; font-size: .9rem; } ol li { margin-bottom: .3rem; }
section.one { border-top: 1px solid var(--line); margin-top: 3rem; padding-top: .5rem; }
.caution { color: var(--soft); border-top: 1px solid var(--line); margin-top: 2.25rem; padding-top: .8rem; }
@media print { :root { --ink: #000; --soft: #444; --paper: #fff; --line: #bbb; --card: #fff; --warning: #8f3900;
  --calm: #00466e; --open: #444; color-scheme: light; } body { font-size: 10.5pt; max-width: none; padding: 0; }
  figure, .card, tr, dl { break-inside: avoid; } h2 { break-after: avoid; } section.one { break-before: page; } }
@page { margin: 18mm 16mm; }
"""


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
    """A page around a body: head, styles, caution and references."""
    from ews import __version__

    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{escape(title)}</h1>\n{body}\n"
        f'<p class="caution">{escape(summary.CAUTION)}</p>\n'
        f"<h2>References</h2>\n<ol>{''.join(f'<li>{escape(reference)}</li>' for reference in REFERENCES)}</ol>\n"
        f"<p>Made with <code>earlywarning</code> {escape(__version__)}; the same data, options and seed give the same "
        f"result.</p>\n</main>\n</body>\n</html>\n"
    )


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
        heading = escape(summary.chance_text(result))
        table = _detections_table(result)
    else:
        reasons = " ".join(escape(summary.typeset(summary.sentence(reason))) for reason in result.reasons)
        symbol = _SYMBOLS[result.verdict]
        heading = f"<b>{symbol} {escape(result.name)}: {escape(result.verdict)}.</b> {reasons}"
        table = _statistics_table(result)
    picture = image(result.plot(), png_dpi=100, alternative=_alternative(result)) if len(_each(result)) else ""
    return (
        f'<div style="max-width: 46em"><p style="border-left: 4px solid currentColor; padding: .2em .7em">{heading}</p>'
        f'{table}<div style="background: #fff; margin-top: .6em">{picture}</div></div>'
    )


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
            card(detection),
            _figure(detection),
            "<h2>Trends of the indicators</h2>",
            f'<div class="scroll">{_statistics_table(detection)}</div>',
            "<h2>Methods</h2>",
            f"<p>{escape(_methods(detection))}</p>",
            "<h2>Data and further results</h2>",
            _definitions(data),
            "<h2>Configuration</h2>",
            _configuration(detection),
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
    for column, detection in detections.items():
        parts.append(f'<section class="one">\n<h2>{escape(column)}</h2>\n{detection_body(detection)}\n</section>')
    return "\n".join(parts)


def card(detection: Detection | Assessment) -> str:
    """Verdict and reasons."""
    reasons = "".join(f"<li>{escape(summary.typeset(summary.sentence(reason)))}</li>" for reason in detection.reasons)
    symbol = _SYMBOLS[detection.verdict]
    return (
        f'<div class="card {_CLASSES[detection.verdict]}"><p>{symbol} {escape(detection.verdict.capitalize())}</p>'
        f"<ul>{reasons}</ul></div>"
    )


def _methods(detection: Detection) -> str:
    """The methods paragraph, as it could stand in a paper."""
    config = detection.config
    labels = [indicator.label[:1].lower() + indicator.label[1:] for indicator in detection.indicators.values()]
    sentences = [
        f"Detrending: {detection.detrend_sentence.rstrip('.')}.",
        f"{_listed(labels)[:1].upper()}{_listed(labels)[1:]} were measured on the residual in a rolling window of "
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
        else "The series with the trend taken out and shifts of its mean; the residual; each indicator, stamped at the "
        "right edge of its window, on the range that holds 95 % of the surrogates at each time. Beside an indicator, "
        "how the surrogates' trends are distributed and where the observed one lies."
    )
    drawn = sum(len(detection.series) * (3 + len(detection.indicators)) for detection in _each(result).values())
    drawing = image(result.plot(), png_dpi=200 if drawn > SVG_POINTS else None, alternative=_alternative(result))
    return f"<figure>{drawing}<figcaption>{escape(caption)}</figcaption></figure>"


def image(figure: Figure, *, png_dpi: float | None, alternative: str) -> str:
    """The figure as a data URI: vectors, or a bitmap where a resolution is given."""
    if png_dpi is None:
        import matplotlib as mpl

        text = StringIO()
        with mpl.rc_context({"svg.hashsalt": "earlywarning"}):  # the same result gives the same page
            figure.savefig(text, format="svg", metadata={"Date": None})
        kind, content = "svg+xml", text.getvalue().encode()
    else:
        buffer = BytesIO()
        figure.savefig(buffer, format="png", dpi=png_dpi)
        kind, content = "png", buffer.getvalue()
    encoded = base64.b64encode(content).decode("ascii")
    return f'<img alt="{escape(alternative)}" style="max-width: 100%" src="data:image/{kind};base64,{encoded}">'


def _alternative(result: Detection | Detections) -> str:
    """What the figure shows, for who cannot see it."""
    if isinstance(result, Detections):
        return summary.chance_text(result)
    trends = ", ".join(
        f"{indicator.label} {summary.statistic_text(result.tau[name], result)}"
        for name, indicator in result.indicators.items()
    )
    return f"{result.name}: {result.verdict}. Trends of the indicators: {trends}."


def _statistics_table(detection: Detection) -> str:
    emphasised = [summary.counts(detection, name) for name in detection.indicators]
    return _table(summary.statistics_header(detection), summary.statistics_rows(detection), emphasised)


def _detections_table(detections: Detections) -> str:
    names = list(dict.fromkeys(name for detection in detections.values() for name in detection.indicators))
    rows = []
    for column, detection in detections.items():
        cells = [column, str(len(detection.series)), detection.verdict, summary.power_number(detection)]
        for name in names:
            known = name in detection.indicators
            tau = summary.statistic_text(detection.tau[name], detection) if known else "–"
            cells.append(f"{tau} ({summary.p_text(detection.pvalue_adjusted[name])})" if known else "–")
        rows.append(cells)
    emphasised = [detection.verdict == "warning" for detection in detections.values()]
    return _table(["series", "n", "verdict", "power", *(f"{name}: trend (adj. p)" for name in names)], rows, emphasised)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], emphasised: Iterable[bool]) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = ""
    for row, strong in zip(rows, emphasised, strict=True):
        opening = '<tr class="counts">' if strong else "<tr>"
        body += f"{opening}{''.join(f'<td>{escape(summary.typeset(cell))}</td>' for cell in row)}</tr>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _definitions(entries: Mapping[str, str]) -> str:
    return "<dl>" + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in entries.items()) + "</dl>"


def _configuration(detection: Detection) -> str:
    rows = "".join(
        f"<dt><code>{escape(name)}</code></dt><dd><code>{escape(_value(value))}</code></dd>"
        for name, value in asdict(detection.config).items()
    )
    return f"<dl>{rows}</dl>"


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _each(result: Detection | Detections) -> Mapping[str, Detection]:
    return result if isinstance(result, Detections) else {result.name: result}
