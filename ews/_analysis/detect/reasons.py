"""Why a verdict by score tests came out so, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ews._analysis.score_tests.result import ScoreTest, ScoreTests
from ews._analysis.score_tests.scores_at import FEWEST_TRIPLES
from ews._common.alarms import hardly_more
from ews._common.words import listed, number_text, p_clause
from ews._significance.verdict import qualification

__all__ = ["reasons_of"]

# What drifts, what measures it, and what a drift means.
SAID = {
    "memory towards +1": (
        "memory rises", "lag-1 coefficient", "an eigenvalue moves towards +1, as before a fold, transcritical or "
        "pitchfork bifurcation",
    ),
    "memory towards −1": (
        "memory falls", "lag-1 coefficient", "an eigenvalue moves towards −1, as before a period doubling (flip)",
    ),
    "damping": (
        "damping is lost", "squared modulus of the pair", "an oscillation loses its damping, as before a Hopf "
        "bifurcation",
    ),
    "variance": (
        "the noise grows", "standard deviation", "which by itself is no loss of resilience",
    ),
}  # fmt: skip
NAMES = {"hopf": "Hopf"}


def reasons_of(
    scores: ScoreTests,
    warned: Sequence[str],
    two_states: float,
    probability: Mapping[str, float],
    powers: Mapping[str, float],
    verdict: str,
    needed: int | None,
    smallest: float | None,
    shares: Sequence[float],
) -> tuple[str, ...]:
    """First what moved, then towards what, then what the test could have seen."""
    alpha = scores.config.alpha
    if not scores.config.n_surrogates:
        return ("no surrogates were drawn, so no drift was tested",)
    # What warns comes first.
    sentences = [_moved(scores[name]) for name in sorted(scores.kinds, key=lambda name: name not in warned)]
    if two_states <= alpha:
        sentences.append(
            f"the last half moves between two states ({p_clause(two_states)}): flickering, as between alternative "
            "states that noise reaches; by itself no sign of how near a transition is"
        )
    if len(probability) > 1:
        likely = ", ".join(f"{NAMES.get(kind, kind)} {share:.2f}" for kind, share in probability.items())
        sentences.append(f"of the bifurcations that this allows the classifier gives: {likely}")
    if warned and hardly_more(most := max(powers.values()), alpha):
        sentences.append(qualification(most, alpha))
    if not scores.kinds:
        least = min(scores.tests, key=lambda one: (one.adjusted != one.adjusted, one.adjusted))
        sentences.append(
            "neither memory nor damping nor the noise drifts beyond what the null gives "
            f"(least family-wise {p_clause(least.adjusted)}, of {least.name})"
        )
    elif not warned:
        sentences.append("neither memory nor damping drifts towards instability beyond what the null gives")
    best = sum(shares) / min(shares) / (1.0 + scores.config.n_surrogates)
    if best > alpha:
        drawn = scores.config.n_surrogates
        sentences.append(
            f"{drawn} surrogates can give some of the tests a family-wise p of about {best:.2g} at best: draw more"
        )
    undefined = [one.name for one in scores.tests if one.score != one.score]
    if undefined:
        sentences.append(f"{listed(undefined)} could not be measured in this record")
    shown = ", ".join(f"{100 * share:.0f} % before a {NAMES.get(kind, kind)}" for kind, share in powers.items())
    seen = f"of controls of this length and memory, so many would warn: {shown}"
    if verdict == "no warning":
        sentences.append(f"{seen}; so a loss of resilience like theirs would probably have shown")
    elif warned:
        sentences.append(seen)
    else:
        sentences.append(f"{seen}: too few to take silence for safety")
        if smallest is not None:
            rise = number_text(smallest, 2)
            sentences.append(f"a rise of the lag-1 coefficient by {rise} over the record would probably have shown")
        if "damping" in undefined:
            longer = (
                "what length would show the controls before a Hopf cannot be told: damping takes at least "
                f"{FEWEST_TRIPLES} observations that follow two others a step apart"
            )
        elif needed is None:
            longer = "to show the controls of every kind a record would have to be over a hundred times as long"
        else:
            longer = f"a record of about {needed:,} observations would show the controls of every kind"
        sentences.append(longer)
    return tuple(sentences)


def _moved(one: ScoreTest) -> str:
    verb, what, meaning = SAID[one.name]
    path = f"{what} {number_text(one.start, 2)} → {number_text(one.end, 2)}"
    return f"{verb} ({path}, family-wise {p_clause(one.adjusted)}): {meaning}"
