"""The commands ``ews llm``: look at a model, fit a policy to it, decode under one, compare several.

Nothing here needs torch before a command runs, so that ``ews --help`` stays fast.
"""

from __future__ import annotations

from typing import Any

import typer

from adapters.cli.assess import assess
from adapters.cli.bench import bench
from adapters.cli.calibrate import calibrate
from adapters.cli.generate import generate
from adapters.cli.train import train

__all__ = ["app"]

app = typer.Typer(
    name="llm",
    help=(
        "Language models: leave out the layers that a token does not need.\n\n"
        "MODEL is a folder that from_pretrained can read, a GGUF file (its weights are unpacked), or a name on the hub."
    ),
    epilog=(
        "**Start with** `ews llm assess MODEL`: it says whether the rest is worth while. "
        "Exit status: 0 the command ran, 2 the input cannot be used."
    ),
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

EXAMPLES: dict[Any, str] = {
    assess: "`ews llm assess ./SmolLM2-135M-Instruct`\n\n`ews llm assess model.gguf --texts prompts.txt --json -`",
    calibrate: "`ews llm calibrate ./model --texts prompts.jsonl --output ./policy --risk 0.05`",
    generate: (
        "`ews llm generate ./model 'Why is the sky blue?' --policy ./policy`\n\n"
        "`ews llm generate ./model 'Once upon a time' --plain --policy fixed:depth=26,cache=deferred`"
    ),
    bench: (
        "`ews llm bench ./model --figure front.png`\n\n"
        "`ews llm bench ./model --policy ./policy --policy confidence:threshold=0.8,depths=20+26`"
    ),
    train: (
        "`ews llm train layer_skip ./model texts.txt --out ./tuned --epochs 3 --lora 8`\n\n"
        "`ews llm train layer_skip ./model texts.jsonl --out ./tuned --resume --option dropout=0.2`"
    ),
}
for command, examples in EXAMPLES.items():
    app.command(epilog=f"**Examples**\n\n{examples}")(command)
