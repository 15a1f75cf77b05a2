"""The README's five lines, run: writes docs/generated/detection.png."""

from __future__ import annotations

import ews
from benchmarks.evidence import tables


def main() -> None:
    """Write the figure that the README shows."""
    heart = ews.datasets.load("chick_heart_flip")
    detection = ews.detect(heart, until=heart.transition)
    assert isinstance(detection, ews.Detection)
    print(detection.summary())
    detection.plot().savefig(tables.FOLDER / "detection.png", dpi=110)


if __name__ == "__main__":
    main()
