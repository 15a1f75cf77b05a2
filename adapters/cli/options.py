"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Chat",
    "Device",
    "Dtype",
    "Figure",
    "Force",
    "Json",
    "Model",
    "Seed",
    "Texts",
    "Threads",
    "Tokens",
    "TrustRemoteCode",
]

_LOADING, _OUTPUT = "Model", "Output"

Model = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="A folder, a GGUF file, or a name on the hub.", show_default=False),
]
Texts = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help='Prompts: one on each line, or JSON lines with a field "prompt" or "text".',
        show_default="50 built-in prompts",
    ),
]
Chat = Annotated[
    bool | None,
    typer.Option(
        "--chat/--plain",
        help="Write prompts as the model's chat template has it, or take them as they are.",
        show_default="chat, where there is a template",
    ),
]
Tokens = Annotated[int, typer.Option("--max-new-tokens", help="Tokens after each prompt.")]
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed; the same one gives the same draws.")]
Dtype = Annotated[
    str,
    typer.Option(
        help="Type of the weights: float32, bfloat16, float16; auto is float32 on a processor, else the file's.",
        rich_help_panel=_LOADING,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(help="Where it runs: cpu, cuda, …", show_default="cuda, or cpu", rich_help_panel=_LOADING),
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, max=1024, help="Processor threads.", show_default="torch's own", rich_help_panel=_LOADING),
]
Json = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write every number as JSON; - for standard output, instead of the report.",
        show_default=False,
        rich_help_panel=_OUTPUT,
    ),
]
Figure = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Write the figure: .png, .pdf, .svg, …", show_default=False, rich_help_panel=_OUTPUT
    ),
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace files that exist; never those that are read.", rich_help_panel=_OUTPUT)
]
TrustRemoteCode = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code",
        help="Run the Python files that MODEL brings with it, with all the rights that you have. Read them first.",
        rich_help_panel=_LOADING,
    ),
]
