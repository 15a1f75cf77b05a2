"""What :func:`ews.bifurcations.classifier` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ews._common.layout import Report
from ews._common.publish import public
from ews._common.result import Result
from ews._common.words import number_text, p_clause, sentence, time_text
from ews._significance.windows import FloatArray
from ews.bifurcations._classifier.network import LABELS
from ews.series import Series, TimeArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Classification", "ClassifierConfig"]


@public("ews.bifurcations")
@dataclass(frozen=True, slots=True)
class ClassifierConfig:
    """Every choice behind a :class:`Classification`, as resolved for the series.

    Attributes
    ----------
    prevalence : float
        Prior probability of a bifurcation.
    history : int
        At how many times the record so far was classified.
    null : str
        Null model of the surrogates.
    n_surrogates : int
        How many surrogates.
    alpha : float
        Level of the test.
    detrend : str or None
        Detrending method.
    bandwidth : float or None
        Its bandwidth or span, as given.
    causal : bool
        Whether only past samples were used at each time.
    season : int or None
        Period taken out first, in samples.
    transform : str or None
        What the values were transformed by before that.
    until : str or None
        Last time used, as given.
    missing, duplicates : str
        How gaps and repeated times were handled.
    seed : int
        Seed of every random number in the result.
    """

    prevalence: float
    history: int
    null: str
    n_surrogates: int
    alpha: float
    detrend: str | None
    bandwidth: float | None
    causal: bool
    season: int | None
    transform: str | None
    until: str | None
    missing: str
    duplicates: str
    seed: int


@public("ews.bifurcations")
@dataclass(frozen=True, eq=False)
class Classification(Result):
    """Class probabilities of the bifurcation that a record approaches, at its end and through time.

    Attributes
    ----------
    series : Series
        The series that was analysed, with notes on what was done to it.
    trend, residual : ndarray of shape (n,)
        What detrending took out and what it left, in the series' units.
    probability : mapping of str to float
        Of "null", "fold", "transcritical", "pitchfork", "hopf" and "flip", for the whole record; they add up to 1.
    evidence : float
        Log odds (natural) of any bifurcation against none, at the trained prevalence of one half.
    pvalue : float
        Share of surrogates with as much evidence, p = (1 + r) / (1 + n); NaN without surrogates.
    surrogate_evidence : ndarray of shape (n_surrogates,)
        Evidence in each surrogate, through detrending again.
    history_time : ndarray of shape (m,)
        The times at which the record so far was classified; the last is the end.
    history_probability : mapping of str to ndarray of shape (m,)
        Probability of each class at those times, from nothing that came later; where gaps were interpolated with
        ``causal=False``, the values in a gap lean on the one after it.
    detrend_sentence, null_sentence : str
        What was taken out, and what the evidence was held against.
    config : ClassifierConfig
        Every choice and the seed.
    """

    series: Series
    trend: FloatArray
    residual: FloatArray
    probability: Mapping[str, float]
    evidence: float
    pvalue: float
    surrogate_evidence: FloatArray
    history_time: TimeArray
    history_probability: Mapping[str, FloatArray]
    detrend_sentence: str
    null_sentence: str
    config: ClassifierConfig

    _named_alike: ClassVar = "probability history_probability"
    _shapes: ClassVar = {
        "n": "trend residual",
        "m": "history_time history_probability",
        "surrogates": "surrogate_evidence",
    }
    _derived: ClassVar = ("kind", "warning")

    @property
    def kind(self) -> str:
        """The class with the largest probability."""
        return max(self.probability, key=self.probability.__getitem__)

    @property
    def bifurcation(self) -> str:
        """The bifurcation with the largest probability, whether or not the null has a larger one."""
        return max((name for name in self.probability if name != "null"), key=self.probability.__getitem__)

    @property
    def warning(self) -> bool:
        """Whether surrogates show as much evidence in at most a share alpha of cases; never without surrogates."""
        return bool(self.pvalue <= self.config.alpha)

    def to_frame(self) -> pd.DataFrame:
        """Probabilities through time.

        Returns
        -------
        pandas.DataFrame
            One column a class, indexed by time.
        """
        import pandas as pd

        return pd.DataFrame(dict(self.history_probability), index=pd.Index(self.history_time, name="time"))

    def _report(self) -> Report:
        config, series = self.config, self.series
        some = 1.0 - self.probability["null"]
        answers = [
            f"a bifurcation ahead has probability {some:.2f}, if {config.prevalence:g} before",
            f"if there is one, it most resembles: {LABELS[self.bifurcation]}",
            f"evidence {number_text(self.evidence)} (log odds), {p_clause(self.pvalue)}",
        ]
        report = Report(f"Bifurcation classifier in {(series.name or 'series')!r}", answers=answers)
        report.data(series, config)
        report.section("Detrending", sentence(self.detrend_sentence))
        report.section(
            "Model",
            "Three small perceptrons on features of the residual, trained on random polynomial systems and maps and on "
            "coloured noise; probabilities calibrated on series they did not learn from.",
        )
        tested = (
            f"Evidence, one-sided, against {config.n_surrogates} surrogates, each detrended again: "
            f"{self.null_sentence}; level {config.alpha:g}, seed {config.seed}."
            if config.n_surrogates
            else f"No surrogates were asked for, so there is no p-value (seed {config.seed})."
        )
        report.section("Test", tested)
        last = self.history_time.size - 1
        shown = sorted({round(last * share / 3) for share in range(4)}) if last >= 0 else []
        header = ["class", "probability", *(f"at {time_text(self.history_time[i])}" for i in shown)]
        report.table(
            header,
            [
                [
                    LABELS[name],
                    f"{self.probability[name]:.2f}",
                    *(f"{self.history_probability[name][i]:.2f}" for i in shown),
                ]
                for name in self.probability
            ],
        )
        report.section(
            "Caution",
            "Calibrated over systems like those of the training. Noise that changes by itself can look like an "
            "approach; fold, transcritical and pitchfork are told apart poorly.",
        )
        return report

    def plot(self) -> Figure:
        """Series, and the probabilities through time.

        Returns
        -------
        matplotlib.figure.Figure
            Two panels on one axis of time.
        """
        from ews._common import panels as draw
        from ews.bifurcations._classifier.figure import draw_probabilities

        figure, panels, _ = draw.layout(self, "Bifurcation classifier", over_time=1)
        axes = panels[1]
        draw_probabilities(axes, self)
        draw.say(axes, f"P(bifurcation) = {1.0 - self.probability['null']:.2f}")
        return draw.finish(figure, panels, [], self)
