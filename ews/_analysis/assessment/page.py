"""Assessments as one self-contained HTML page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ews.report import card, detection_body, document, image

if TYPE_CHECKING:
    from ews._analysis.assessment.result import Assessment, Assessments

__all__ = ["assessment_page", "assessments_page"]


def assessment_page(result: Assessment) -> str:
    """Verdict, figure, the text of the summary, then the indicators' own report."""
    return document(f"Early-warning assessment of {result.name}", _body(result))


def assessments_page(results: Assessments) -> str:
    """The table, then each column."""
    parts = [f"<pre>{escape(results.summary())}</pre>"]
    parts += [
        f'<section class="one"><h2>{escape(column)}</h2>{_body(one)}</section>' for column, one in results.items()
    ]
    return document(f"Early-warning assessment of {len(results)} series", "\n".join(parts))


def _body(result: Assessment) -> str:
    picture = image(result.plot(), png_dpi=150, alternative=f"{result.name}: {result.verdict}, {result.kind}.")
    caption = (
        "The series with the trend taken out; the classifier's probabilities, each from the record so far; each "
        "statistic (line) among its surrogates."
    )
    return (
        f"{card(result)}<figure>{picture}<figcaption>{escape(caption)}</figcaption></figure>"
        f'<div class="scroll"><pre>{escape(result.summary())}</pre></div>'
        f"<h2>The indicators alone</h2>{detection_body(result.detection)}"
    )
