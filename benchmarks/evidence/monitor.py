"""How often ``ews.IndicatorMonitor`` alarms in noise in which nothing changes, and how early before a collapse."""

from __future__ import annotations

import numpy as np
import pandas as pd

import ews
from benchmarks.evidence import tables

SEED = 20_261_123
NOISE_RECORDS, POPULATION_RECORDS = 120, 60
SIMULATIONS = 99
RATE = 0.05
# window, history, smoother and its bandwidth
NOISE_OPTIONS = {"window": 25, "history": 25, "detrend": "gaussian", "bandwidth": 25}
POPULATION_OPTIONS = {
    "no smoother": {"window": 40, "history": 40, "detrend": None},
    "Gaussian, 80 samples": {"window": 40, "history": 40, "detrend": "gaussian", "bandwidth": 80},
}
REFERENCE, HORIZON = 150, 100
POPULATION_LENGTH, POPULATION_REFERENCE = 500, 250


def first_alarm(record: np.ndarray, reference: int, *, seed: int, **options: object) -> int | None:
    """Place of the first alarm after the reference; None where there is none."""
    monitor = ews.IndicatorMonitor(**options)  # type: ignore[arg-type]
    monitor.calibrate(
        record[:reference],
        horizon=record.size - reference,
        false_alarm_rate=RATE,
        n_simulations=SIMULATIONS,
        seed=seed,
    )
    return next((state.index for state in map(monitor.update, record[reference:].tolist()) if state.alarm), None)


def line(label: str, rule: str, smoother: str, reference: int, found: list[int | None], end: int) -> dict[str, object]:
    """One line of the table."""
    share = float(np.mean([place is not None for place in found]))
    leads = [end - place for place in found if place is not None]
    return {
        "record": label,
        "rule": rule,
        "smoother": smoother,
        "reference": reference,
        "horizon": end - reference,
        "records": len(found),
        "share with an alarm": share,
        "standard error": float(np.sqrt(share * (1.0 - share) / len(found))),
        "median lead, samples": float(np.median(leads)) if leads and "harvest to" in label else np.nan,
    }


def main() -> None:
    """Write docs/generated/monitor_false_alarms.csv."""
    lines = []
    for rule in ("level", "trend"):
        for coefficient in (0.0, 0.5, 0.9):
            noise = ews.models.ar1(
                n=REFERENCE + HORIZON, coefficient=coefficient, replicates=NOISE_RECORDS, seed=SEED
            ).values
            found = [first_alarm(row, REFERENCE, seed=k, rule=rule, **NOISE_OPTIONS) for k, row in enumerate(noise)]
            smoother = f"Gaussian, {NOISE_OPTIONS['bandwidth']} samples"
            lines.append(line(f"AR(1), {coefficient:g}", rule, smoother, REFERENCE, found, REFERENCE + HORIZON))
    rising = ews.models.harvested_population(n=POPULATION_LENGTH, replicates=POPULATION_RECORDS, seed=SEED)
    steady = ews.models.harvested_population(
        n=POPULATION_LENGTH, harvest=1.0, replicates=POPULATION_RECORDS, seed=SEED + 1
    )
    assert rising.transition is not None
    end = int(rising.transition)
    for rule, smoother in (("level", "no smoother"), ("level", "Gaussian, 80 samples"), ("trend", "no smoother")):
        for label, simulation in (("population, steady harvest", steady), ("population, harvest to its fold", rising)):
            found = [
                first_alarm(row[:end], POPULATION_REFERENCE, seed=k, rule=rule, **POPULATION_OPTIONS[smoother])
                for k, row in enumerate(simulation.values)
            ]
            lines.append(line(label, rule, smoother, POPULATION_REFERENCE, found, end))
    tables.write("monitor_false_alarms", pd.DataFrame(lines).round(3))


if __name__ == "__main__":
    main()
