"""Results as one self-contained HTML page, or as a notebook's fragment.

Every text that came from the user goes through :func:`html.escape`; figures are data URIs; nothing is fetched from
outside.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO, StringIO
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ews._common.layout import Report, Table
from ews._common.words import sentence, typeset

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "SVG_POINTS",
    "SYMBOLS",
    "body",
    "card",
    "cell",
    "configuration",
    "definitions",
    "document",
    "figure",
    "fragment",
    "heading",
    "image",
    "table",
]

# Above this many drawn points an SVG weighs more than a bitmap of print quality.
SVG_POINTS = 20_000
_CLASSES = {"warning": "warning", "no warning": "calm", "inconclusive": "open"}
SYMBOLS = {"warning": "▲", "no warning": "●", "inconclusive": "○"}  # the verdict does not hang on colour alone

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
dt { color: var(--soft); } dd { margin: 0; } h3 { font-size: 1rem; margin: 1.5rem 0 .4rem; }
pre { font: .8rem/1.4 ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; white-space: pre-wrap; }
code { font: .9em ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; }
ol { padding-left: 1.3rem; font-size: .9rem; } ol li { margin-bottom: .3rem; }
section.one { border-top: 1px solid var(--line); margin-top: 3rem; padding-top: .5rem; }
.caution { color: var(--soft); border-top: 1px solid var(--line); margin-top: 2.25rem; padding-top: .8rem; }
@media print { :root { --ink: #000; --soft: #444; --paper: #fff; --line: #bbb; --card: #fff; --warning: #8f3900;
  --calm: #00466e; --open: #444; color-scheme: light; } body { font-size: 10.5pt; max-width: none; padding: 0; }
  figure, .card, tr, dl { break-inside: avoid; } h2 { break-after: avoid; } section.one { break-before: page; } }
@page { margin: 18mm 16mm; }
"""


def document(title: str, body: str, *, end: str = "") -> str:
    """A page around a body: head, styles, and how it was made."""
    from ews import __version__

    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{escape(title)}</h1>\n{body}\n{end}"
        f"<p>Made with <code>earlywarning</code> {escape(__version__)}; the same data, options and seed give the same "
        f"result.</p>\n</main>\n</body>\n</html>\n"
    )


def body(report: Report, drawing: Figure, *, config: Any = None, caption: str = "") -> str:
    """What a report says, with a figure: card, figure, sections and tables."""
    parts = [card(report.verdict, report.answers), figure(drawing, alternative=heading(report), caption=caption)]
    for kind, blocks in groupby(report.blocks, type):
        if kind is tuple:
            parts.append(definitions(blocks))
            continue
        for block in blocks:
            if isinstance(block, Table):
                parts += [f"<h3>{escape(block.title)}</h3>"] if block.title else []
                parts.append(f'<div class="scroll">{table(block.header, block.rows, block.strong)}</div>')
            said = block.below if isinstance(block, Table) else block
            parts += [f"<p>{escape(said)}</p>"] if said else []
    parts += [] if config is None else ["<h2>Configuration</h2>", configuration(config)]
    return "\n".join(parts)


def fragment(report: Report, drawing: Figure) -> str:
    """What a notebook shows: findings, tables and a small figure, with styles of their own elements only."""
    tables = "".join(table(one.header, one.rows, one.strong) for one in report.blocks if isinstance(one, Table))
    reasons = " ".join(escape(typeset(sentence(answer))) for answer in report.answers)
    symbol, verdict = SYMBOLS.get(report.verdict, ""), f": {report.verdict}" if report.verdict else ""
    said = f"<b>{symbol} {escape(report.title)}{escape(verdict)}.</b> {reasons}"
    return cell(said, tables, drawing, alternative=heading(report))


def cell(said: str, tables: str, drawing: Figure | None, *, alternative: str) -> str:
    """A notebook's output cell: a paragraph, tables, a figure."""
    picture = "" if drawing is None else image(drawing, png_dpi=100, alternative=alternative)
    return (
        f'<div style="max-width: 46em"><p style="border-left: 4px solid currentColor; padding: .2em .7em">{said}</p>'
        f'{tables}<div style="background: #fff; margin-top: .6em">{picture}</div></div>'
    )


def heading(report: Report) -> str:
    """Title and verdict in one line, for who cannot see the figure."""
    return f"{report.title}: {report.verdict or '; '.join(report.answers)}".removesuffix(": ")


def card(verdict: str, answers: Sequence[str]) -> str:
    """Verdict and what led to it, or the findings alone."""
    said = "".join(f"<li>{escape(typeset(sentence(answer)))}</li>" for answer in answers)
    said = f"<ul>{said}</ul>" if said else ""
    if not verdict:
        return f'<div class="card open">{said}</div>' if said else ""
    symbol, known = SYMBOLS.get(verdict, "○"), _CLASSES.get(verdict, "open")
    return f'<div class="card {known}"><p>{symbol} {escape(verdict.capitalize())}</p>{said}</div>'


def configuration(config: Any) -> str:
    """Every choice, by the name of its argument."""
    rows = "".join(
        f"<dt><code>{escape(name)}</code></dt><dd><code>{escape(_value(getattr(config, name)))}</code></dd>"
        for name in config.__dataclass_fields__
    )
    return f"<dl>{rows}</dl>"


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def definitions(entries: Iterable[tuple[str, str]]) -> str:
    """Labels in the margin and texts beside them."""
    return "<dl>" + "".join(f"<dt>{escape(label)}</dt><dd>{escape(text)}</dd>" for label, text in entries) + "</dl>"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], strong: Sequence[bool] = ()) -> str:
    """A table; rows that are `strong` stand out."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    text = ""
    for place, row in enumerate(rows):
        opening = '<tr class="counts">' if place < len(strong) and strong[place] else "<tr>"
        text += f"{opening}{''.join(f'<td>{escape(typeset(cell))}</td>' for cell in row)}</tr>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{text}</tbody></table>"


def figure(drawing: Figure, *, alternative: str, points: int = 0, caption: str = "") -> str:
    """The figure with its caption, as vectors where that does not weigh too much."""
    picture = image(drawing, png_dpi=200 if points > SVG_POINTS else None, alternative=alternative)
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{picture}{below}</figure>"


def image(drawing: Figure, *, png_dpi: float | None, alternative: str) -> str:
    """The figure as a data URI: vectors, or a bitmap where a resolution is given."""
    if png_dpi is None:
        import matplotlib as mpl

        text = StringIO()
        with mpl.rc_context({"svg.hashsalt": "earlywarning"}):  # the same result gives the same page
            drawing.savefig(text, format="svg", metadata={"Date": None})
        kind, content = "svg+xml", text.getvalue().encode()
    else:
        buffer = BytesIO()
        drawing.savefig(buffer, format="png", dpi=png_dpi)
        kind, content = "png", buffer.getvalue()
    encoded = base64.b64encode(content).decode("ascii")
    return f'<img alt="{escape(alternative)}" style="max-width: 100%" src="data:image/{kind};base64,{encoded}">'
