"""What :class:`ews.ScoreTests` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ews._analysis.score_tests.statistics import FAR
from ews._common.layout import Report
from ews._common.words import number_text, p_clause, p_text, sentence

if TYPE_CHECKING:
    from ews._analysis.score_tests.result import ScoreTests

__all__ = ["MEANING", "report"]

# What a drift towards instability of each kind precedes.
MEANING = {
    "memory towards +1": "an eigenvalue moves towards +1, as before a fold, transcritical or pitchfork bifurcation",
    "memory towards −1": "an eigenvalue moves towards −1, as before a period doubling (flip)",
    "damping": "an oscillation loses its damping, as before a Hopf bifurcation",
    "variance": "the noise grows, which by itself is no loss of resilience",
}
_MEASURED = {
    "memory towards +1": "AR(1) coefficient",
    "memory towards −1": "AR(1) coefficient",
    "damping": "squared modulus",
    "variance": "standard deviation",
}


def report(found: ScoreTests) -> Report:
    """The tests, what they mean, and every choice."""
    config = found.config
    name = (found.series.name or "series").strip()
    answers = [f"{one}: {MEANING[one]} ({p_clause(found[one].adjusted, of='family-wise p')})" for one in found.kinds]
    if not config.n_surrogates:
        answers = ["no surrogates were asked for, so there is no p-value"]
    said = Report(f"Score tests of drift in {name!r}", answers=answers or ["no drift at the family-wise level"])
    said.data(found.series, config)
    said.section("Detrending", sentence(found.detrend_sentence))
    said.section(
        "Test",
        "Scores of a first-order autoregression whose coefficient drifts (memory), of a second-order one whose second "
        "coefficient drifts beyond what a drift of the first explains (damping), White's standard errors; and of the "
        f"logarithm of squared residuals (variance). One-sided, against {config.n_surrogates} surrogates, each "
        f"detrended again: {found.null_sentence}; weighted min-p over the four, level {config.alpha:g}, "
        f"seed {config.seed}.",
    )
    limit = "left as they are"
    if config.limit is not None:
        limit = f"pulled in to {config.limit:g} robust standard deviations, left out beyond {FAR:g}"
    said.section("Outliers", sentence(f"{limit}, for memory and damping"))
    said.table(
        ["drift of", "score", "p", "family-wise p", "shape", "measured", "start", "end"],
        [
            [
                one.name,
                number_text(one.score, 3),
                p_text(one.pvalue),
                p_text(one.adjusted),
                one.shape,
                _MEASURED[one.name],
                number_text(one.start, 3),
                number_text(one.end, 3),
            ]
            for one in found.tests
        ],
        strong=[one.name in found.kinds for one in found.tests],
    )
    said.section(
        "Caution",
        "Measurement error that falls with time is a drift of memory to this test, and a mean that moves faster than "
        "the smoother follows leaves some. Coefficients are those of the residual, which the smoother makes smaller.",
    )
    return said
