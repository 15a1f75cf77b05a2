"""Frozen results: they carry the data, the config and the seed that made them; readers never recompute them."""

from __future__ import annotations

from ews._common.layout import Report
from ews._common.result import Result
from ews.results.config import DetectConfig
from ews.results.detection import Detection
from ews.results.detections import Detections
from ews.results.indicators import ARROWS, IndicatorSeries, SurrogateBand
from ews.results.significance import Significance
from ews.results.trends import Kind, TrendsOfIndicators, Verdict

__all__ = [
    "ARROWS",
    "DetectConfig",
    "Detection",
    "Detections",
    "IndicatorSeries",
    "Kind",
    "Report",
    "Result",
    "Significance",
    "SurrogateBand",
    "TrendsOfIndicators",
    "Verdict",
]
