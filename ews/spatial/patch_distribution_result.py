"""What :func:`ews.spatial.patch_distribution` returns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.layout import Report
from ews._common.publish import public
from ews._common.result import Result
from ews.errors import ArgumentError, described
from ews.spatial.discrete_laws import LAWS, FloatArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["PatchDistribution", "PatchFit"]

# Of each law, the least that its parameters may be: a bit less than what is searched.
_PARAMETERS = {
    "power_law": {"exponent": 1.0 + 1e-9},
    "truncated_power_law": {"exponent": 0.0, "rate": 0.0},
    "exponential": {"rate": 0.0},
    "lognormal": {"location": -math.inf, "scale": 5e-4},
}


@public("ews.spatial")
@dataclass(frozen=True, slots=True, eq=False)
class PatchFit(Result):
    """One law fitted to patch sizes.

    Attributes
    ----------
    name, label : str
        What it is called, in code and in a figure.
    parameters : dict of str to float
        Exponent, rate (per cell), location and scale (of the logarithm), as the law has them.
    log_likelihood : float
        Its maximum.
    aic : float
        2 × number of parameters − 2 × log-likelihood.
    weight : float
        Akaike weight among the four laws.
    """

    name: str
    label: str
    parameters: Mapping[str, float]
    log_likelihood: float
    aic: float
    weight: float


@public("ews.spatial")
@dataclass(frozen=True, eq=False)
class PatchDistribution(Result):
    """Four laws fitted to patch sizes.

    Attributes
    ----------
    sizes : ndarray of shape (patches,)
        The sizes that were fitted, in cells, largest first.
    smallest : int
        Smallest size that was fitted.
    fits : dict of str to PatchFit
        By name: power_law, truncated_power_law, exponential, lognormal.
    """

    sizes: npt.NDArray[np.int64]
    smallest: int
    fits: Mapping[str, PatchFit]

    _shapes: ClassVar = {"patches": "sizes"}
    _positive: ClassVar = "sizes smallest"
    _derived: ClassVar = ("best",)

    @classmethod
    def _read_fields(cls, saved: Mapping[str, Any]) -> dict[str, Any]:
        found = super()._read_fields(saved)
        fits: Mapping[str, PatchFit] = found["fits"]
        named = {name: set(one.parameters) for name, one in fits.items()}
        if named != {name: set(least) for name, least in _PARAMETERS.items()} or any(
            one.name != name for name, one in fits.items()
        ):
            given = described(f"laws {', '.join(found['fits'])[:80]} with other names or parameters")
            raise ArgumentError("fits", given, "the four laws, each with its own parameters")
        for law, least in _PARAMETERS.items():
            for name, value in fits[law].parameters.items():
                checks.number(f"fits.{law}.{name}", value, least=least[name])
        return found

    def __getitem__(self, name: str) -> PatchFit:
        return self.fits[name]

    @property
    def best(self) -> str:
        """Name of the law with the least AIC."""
        return min(self.fits.values(), key=lambda fit: fit.aic).name

    def survival(self, name: str, x: npt.ArrayLike) -> FloatArray:
        """Probability that a patch has x cells or more, under one law.

        Parameters
        ----------
        name : str
            Which law.
        x : array_like
            Sizes, at least `smallest`.

        Returns
        -------
        ndarray
            Probabilities, of the shape of `x`.
        """
        law = next(law for law in LAWS if law.name == name)
        return law.survival(np.asarray(x, dtype=np.float64), dict(self.fits[name].parameters), self.smallest)

    def _report(self) -> Report:
        best = self.fits[self.best]
        answer = f"best by AIC: {best.label} (weight {best.weight:.2f})"
        report = Report("Patch-size distribution", answers=[answer])
        report.section("Data", f"{self.sizes.size} patches of {self.smallest} to {int(self.sizes[0])} cells.")
        rows = [
            [
                fit.label,
                ", ".join(f"{name} {value:.3g}" for name, value in fit.parameters.items()),
                f"{fit.log_likelihood:.1f}",
                f"{fit.aic:.1f}",
                f"{fit.weight:.2f}",
            ]
            for fit in self.fits.values()
        ]
        report.table(["law", "parameters", "log-likelihood", "AIC", "weight"], rows)
        report.section(
            "Caution",
            "The best of four laws need not be a good one, and a finite map cuts off large patches by itself. Sizes of "
            "neighbouring patches are not independent, which the weights take them to be.",
        )
        return report

    def to_frame(self) -> pd.DataFrame:
        """One row for each law.

        Returns
        -------
        pandas.DataFrame
            Indexed by name, with the parameters (NaN where a law has none of that name), log-likelihood, AIC, weight.
        """
        import pandas as pd

        rows = [
            {"law": fit.name, **fit.parameters, "log_likelihood": fit.log_likelihood, "aic": fit.aic,
             "weight": fit.weight}
            for fit in self.fits.values()
        ]  # fmt: skip
        return pd.DataFrame(rows).set_index("law")

    def plot(self) -> Figure:
        """Share of patches of a size or more, with the four laws.

        Returns
        -------
        matplotlib.figure.Figure
            One panel, both axes logarithmic.
        """
        from ews.spatial.patch_figure import patch_figure

        return patch_figure(self)
