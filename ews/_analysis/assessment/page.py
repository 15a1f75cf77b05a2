"""Assessments as one self-contained HTML page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ews._common import page
from ews.report import detection_body, document

if TYPE_CHECKING:
    from ews._analysis.assessment.result import Assessment, Assessments

__all__ = ["assessment_page", "assessments_page"]


def assessment_page(result: Assessment) -> str:
    """Verdict, figure, joint test and methods, then the indicators' own report."""
    return document(result._report().title, _body(result))


def assessments_page(results: Assessments) -> str:
    """The table, then each column."""
    report = results._report()
    parts = [page.body(report, results.plot())]
    parts += [
        f'<section class="one"><h2>{escape(column)}</h2>{_body(one)}</section>' for column, one in results.items()
    ]
    return document(report.title, "\n".join(parts))


def _body(result: Assessment) -> str:
    caption = (
        "The series with the trend taken out; the classifier's probabilities, each from the record so far; each "
        "statistic (line) among its surrogates."
    )
    own = page.body(result._report(), result.plot(), caption=caption)
    return f"{own}<h2>The indicators alone</h2>{detection_body(result.detection)}"
