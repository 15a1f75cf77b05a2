"""Simulators whose bifurcation is known, and null systems that have none.

Every simulator takes keyword-only options and returns a :class:`Simulation`. The driving parameter is either a pair
``(first, last)``, a linear ramp over the record, or one number: the null system of the same model, which goes nowhere.

What all of them share:

- ``n`` samples lie ``interval`` units of time apart; each interval is integrated in ``steps`` steps of
  Δt = interval / steps with the Milstein scheme. The noise of one step is ``noise`` · √Δt · z with z standard normal,
  so that refining the step does not change the process. The parameter moves within an interval too.
- ``burn_in`` intervals at the first value of the parameter go before the first sample.
- Replicate i of a batch draws from the i-th random stream of the seed: it is the same however many others are drawn.

References
----------
Kloeden, P. E. & Platen, E. (1992). Numerical Solution of Stochastic Differential Equations. Springer. Section 10.3.
"""

from ews.models.fold import harvested_population
from ews.models.hopf import hopf
from ews.models.lattice import LatticeSimulation, harvested_lattice
from ews.models.null import ar1, ornstein_uhlenbeck
from ews.models.period_doubling import ricker
from ews.models.pitchfork import pitchfork
from ews.models.simulation import Simulation
from ews.models.transcritical import transcritical

__all__ = [
    "LatticeSimulation",
    "Simulation",
    "ar1",
    "harvested_lattice",
    "harvested_population",
    "hopf",
    "ornstein_uhlenbeck",
    "pitchfork",
    "ricker",
    "transcritical",
]
