"""Options that several commands have, and how their texts are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ews.errors import InputTypeError

__all__ = [
    "ANALYSIS", "DATA", "OUTPUT", "TEST", "Causal", "Figure", "Force", "Season", "length", "names", "number",
    "unless_none",
]  # fmt: skip

DATA, ANALYSIS, TEST, OUTPUT = "Data", "Analysis", "Test", "Output"

Season = Annotated[
    int | None,
    typer.Option(help="Period of a seasonal cycle, in samples.", show_default="none", rich_help_panel=ANALYSIS),
]
Causal = Annotated[
    bool,
    typer.Option(
        "--causal/--centred", help="Smooth with past samples only, or with later ones too.", rich_help_panel=ANALYSIS
    ),
]
Figure = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Write the figure: .png, .pdf, .svg, …", show_default=False, rich_help_panel=OUTPUT
    ),
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace files that exist; never those that are read.", rich_help_panel=OUTPUT)
]


def number(text: str | float) -> float:
    """A whole number where it is written as one: 50 is 50 samples, 0.5 half of the record."""
    if not isinstance(text, str):
        return text
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a number") from None


def length(text: str | float) -> str | float:
    """A number, or a length of time such as 5y, which the library reads."""
    try:
        return number(text)
    except typer.BadParameter:
        return text


def names(option: str, text: str) -> tuple[str, ...]:
    """What is listed, separated by commas."""
    found = tuple(name.strip() for name in text.split(",") if name.strip())
    if not found:
        raise InputTypeError(option, text, "names separated by commas")
    return found


def unless_none(text: str) -> str | None:
    """None where the text says so."""
    return None if text.strip().lower() == "none" else text
