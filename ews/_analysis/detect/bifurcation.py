"""Which bifurcation a drift leads to: what the tests allow, and the shares that the classifier gives to that."""

from __future__ import annotations

from collections.abc import Sequence

from ews._analysis.detect.record import Record
from ews.bifurcations import classifier
from ews.bifurcations._classifier.features import SHORTEST

__all__ = ["named"]

# The bifurcations that move a coefficient in the way that each test asks for.
ALLOWED = {
    "memory towards +1": ("fold", "transcritical", "pitchfork"),
    "memory towards −1": ("flip",),
    "damping": ("hopf",),
}


def named(record: Record, warned: Sequence[str]) -> dict[str, float]:
    """Probabilities of the bifurcations that the significant tests allow, the likeliest first; they add up to 1.

    Empty where nothing warns, and where it takes the classifier to tell several apart and the record is too short for
    it.
    """
    allowed = [kind for name in warned for kind in ALLOWED[name]]
    if len(allowed) < 2:
        return dict.fromkeys(allowed, 1.0)
    if len(record.finite) < SHORTEST:
        return {}
    config = record.config
    found = classifier(
        record.series.values,
        time=record.series.time,
        history=0,
        n_surrogates=0,
        causal=config.causal,
        season=config.season,
        missing="drop",
        seed=config.seed,
    ).probability
    total = sum(found[kind] for kind in allowed)
    if not total > 0.0:
        return dict.fromkeys(allowed, 1.0 / len(allowed))
    shares = {kind: found[kind] / total for kind in allowed}
    return dict(sorted(shares.items(), key=lambda one: -one[1]))
