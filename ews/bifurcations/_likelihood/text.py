"""The plain-text report of a likelihood ratio."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ews._common.layout import Report
from ews._common.words import number_text, p_clause

if TYPE_CHECKING:
    from ews.bifurcations._likelihood.result import LikelihoodRatio

__all__ = ["likelihood_report", "verdict_sentence"]

CAUTION = (
    "The ratio compares two models only: a series that neither describes (a trend of outside origin, a step, coloured "
    "noise) can favour the changing one. Its unit matters: the level is taken to move as the model says."
)


def likelihood_report(result: LikelihoodRatio) -> Report:
    """The answer; data, models and test with every choice; a table of the fits; what the test could see."""
    config = result.config
    report = Report(f"Likelihood ratio of {result.name!r}: {config.alternative} against constant rate")
    report.section("Answer", verdict_sentence(result))
    report.data(result.series, config, step="median step")
    report.section("Null", "Ornstein–Uhlenbeck process: constant rate of return, level and noise.")
    report.section("Model", _model_text(result))
    report.section("Test", _test_text(result))
    null = result.null
    rows = [["constant", *_numbers(null.rate, null.rate, null.level, null.level), f"{null.log_likelihood:.4f}", "–"]]
    for label, fit, ratio in (
        ("rate falls", result.towards, result.ratio_towards), ("free", result.free, result.ratio_free)
    ):  # fmt: skip
        rows.append(
            [label, *_numbers(fit.rate_start, fit.rate_end, fit.level_start, fit.level_end),
             f"{fit.log_likelihood:.4f}", number_text(ratio)]
        )  # fmt: skip
    report.table(["fit", "rate, start", "rate, end", "level, start", "level, end", "log-likelihood", "D"], rows)
    report.section("Power", _power_text(result))
    report.section("Caution", CAUTION)
    return report


def verdict_sentence(result: LikelihoodRatio) -> str:
    """What the ratio says, in one or two sentences."""
    fit, alpha = result.alternative, result.config.alpha
    if result.ratio == 0:
        text = "No model with a falling rate explains the series better than a constant rate."
        if result.config.drift == "free":
            text = "No model with a changing rate explains the series better than a constant rate."
        elif result.ratio_free > 0:
            text += (
                f" A rising rate, away from the bifurcation, does (D = {number_text(result.ratio_free)}, not tested)."
            )
        return text
    way = "falls" if fit.slope < 0 else "rises"
    text = (
        f"The rate of return {way} from {number_text(fit.rate_start)} to {number_text(fit.rate_end)} in the best fit; "
        f"D = {number_text(result.ratio)}"
    )
    if math.isnan(result.pvalue):
        return f"{text}, not tested."
    significant = "significant" if result.pvalue <= alpha else "not significant"
    return f"{text}, {p_clause(result.pvalue)}: {significant} at {alpha:g}."


def _model_text(result: LikelihoodRatio) -> str:
    config = result.config
    constant = config.noise == "additive"
    if config.alternative == "saddle-node":
        noise = "constant noise" if constant else "noise variance in proportion to the level √R + θ"
        text = f"Linearised saddle-node, level √R + θ, rate 2√R, {noise}, R linear in time"
    else:
        noise = "constant noise" if constant else "noise variance in proportion to 1 + R"
        text = f"Linearised transcritical bifurcation, level θR, rate R/θ, {noise}, R linear in time"
    return f"{text}, {'only falling' if config.drift == 'towards' else 'falling or rising'}."


def _test_text(result: LikelihoodRatio) -> str:
    config = result.config
    if not config.n_bootstrap:
        return "D = −2 (l_null − l_model); no bootstrap was asked for, so there is no p-value."
    return (
        f"D = −2 (l_null − l_model) against {config.n_bootstrap} series drawn from the null fit, and as many from the "
        f"model's, both models fitted again to each; seed {config.seed}."
    )


def _power_text(result: LikelihoodRatio) -> str:
    if math.isnan(result.power):
        return "Not estimated, as there is no bootstrap."
    if result.ratio == 0:
        return (
            "The best fit has a constant rate, so there is no alternative to draw from: the power is the level, "
            f"{100 * result.power:.0f} %, and the area under the ROC curve is {result.auc:.2f}."
        )
    return (
        f"If the fitted model were true, {100 * result.power:.0f} % of such records would be significant at "
        f"{result.config.alpha:g} (D above {number_text(result.threshold)}); area under the ROC curve {result.auc:.2f}."
    )


def _numbers(*values: float) -> list[str]:
    return [number_text(value) for value in values]
