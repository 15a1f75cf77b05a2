"""What :class:`ews.ScoreTests` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ews._analysis.score_tests.statistics import FAR
from ews._common.layout import Report
from ews._common.words import number_text, p_clause, p_text, sentence

if TYPE_CHECKING:
    from ews._analysis.score_tests.result import ScoreTests

__all__ = ["MEANING", "error_sentences", "report"]

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


_LEFT = "a mean that moves faster than the smoother follows leaves some memory. Coefficients are those of the residual"
_CAUTION = {
    None: f"Measurement error that falls with time is a drift of memory to this test, and {_LEFT}, which the smoother "
    "makes smaller.",
    "constant": f"Measurement error that falls with time is a drift of memory to this test, and {_LEFT}, which the "
    "smoother and the error make smaller.",
    "drifting": f"{_LEFT[0].upper()}{_LEFT[1:]}, which the smoother makes smaller.",
}
_ALLOWED_FOR = {
    "constant": (
        "measurement error of constant size is allowed for: every surrogate has as much as the record. Error that "
        'falls or rises still passes for a drift of memory (measurement_error="drifting")'
    ),
    "drifting": (
        "measurement error of any size at each time is allowed for: memory and damping are measured by instruments "
        "from further back, which see less; noise that grows may be error that grows"
    ),
}

_LOOKS = (
    "memory two steps apart is stronger than memory over one step implies, as measurement error makes it (or several "
    "time scales)"
)
_OSCILLATING = "the record oscillates, and the noise of its null holds measurement error of constant size"


def error_sentences(found: ScoreTests) -> tuple[str, ...]:
    """What is to be said of measurement error, if anything."""
    kind = found.config.measurement_error
    if kind == "constant" and "measurement error" not in found.null_sentence:
        return (_OSCILLATING,)
    if kind is not None:
        allowed = _ALLOWED_FOR[kind]
        return (f"{_LOOKS}, so {allowed}" if kind == "constant" and found.error_likely else allowed,)
    if not found.error_likely:
        return ()
    return (
        f'{_LOOKS}: see what is left with measurement_error="constant", or "drifting" if its size may have '
        "changed, as error that falls with time passes for memory that rises",
    )


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
    errors = "White's standard errors"
    if config.measurement_error == "drifting":
        errors = "both by instruments as many steps further back, Newey and West's standard errors"
    said.section(
        "Test",
        "Scores of a first-order autoregression whose coefficient drifts (memory), of a second-order one whose second "
        f"coefficient drifts beyond what a drift of the first explains (damping), {errors}; and of the "
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
    for one in error_sentences(found):
        said.section("Error", sentence(one))
    said.section("Caution", _CAUTION[config.measurement_error])
    return said
