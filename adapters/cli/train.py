"""``ews llm train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.cli import options
from adapters.training.registry import systems

__all__ = ["train"]

_FITTING, _DATA = "Fitting", "Data"
_WRITTEN = (
    *("system.json", "parts.safetensors", "model.safetensors", "adapter_model.safetensors"),
    *("classifier.json", "classifier.safetensors"),
)


def _known() -> str:
    return "\n\n".join(f"{each.name}: {each.summary} ({each.model}, {each.takes})." for each in systems())


def train(
    system: Annotated[
        str, typer.Argument(metavar="SYSTEM", help=f"What is trained.\n\n{_known()}", show_default=False)
    ],
    model: options.Model,
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="Texts: a plain file, or JSON lines with prompt and continuation, text, or tokens. Labelled texts: "
            "columns with tabs under a header, or JSON lines.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where what was trained is written.", show_default=False)],
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in FOLDER/checkpoints.")
    ] = False,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Times that the data are gone through.", show_default="the system's", rich_help_panel=_FITTING
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="Texts in a step.", show_default="the system's", rich_help_panel=_FITTING),
    ] = None,
    accumulate: Annotated[
        int, typer.Option(help="Parts that a batch goes through in, for memory.", rich_help_panel=_FITTING)
    ] = 1,
    learning_rate: Annotated[
        float | None, typer.Option(help="Highest rate.", show_default="the system's", rich_help_panel=_FITTING)
    ] = None,
    lora: Annotated[
        int | None,
        typer.Option(help="Train adapters of this rank.", show_default="all weights", rich_help_panel=_FITTING),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An option of the system; repeat it for more.", show_default=False),
    ] = None,
    checkpoint_every: Annotated[
        int | None,
        typer.Option(help="Steps between checkpoints.", show_default="an epoch", rich_help_panel=_FITTING),
    ] = None,
    length: Annotated[int, typer.Option(help="Most tokens of a text.", rich_help_panel=_DATA)] = 128,
    prompt_tokens: Annotated[
        int, typer.Option(help="Tokens that are the prompt, where DATA names none.", rich_help_panel=_DATA)
    ] = 16,
    label_column: Annotated[
        str | None,
        typer.Option(
            help="Column of the class; a number for a file without a header.",
            show_default="label, class or y",
            rich_help_panel=_DATA,
        ),
    ] = None,
    text_column: Annotated[
        list[str] | None,
        typer.Option(help="Column of the text; twice for pairs.", show_default="the others", rich_help_panel=_DATA),
    ] = None,
    seed: options.Seed = 0,
    dtype: options.Dtype = "float32",
    device: options.Device = None,
    threads: options.Threads = None,
    trust_remote_code: options.TrustRemoteCode = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the report.")] = False,
    force: options.Force = False,
) -> None:
    """Train what a system needs, in a pretrained model or beside it.

    A checkpoint is kept after each epoch; after an interruption --resume goes on from it to the same weights.
    """
    from adapters.cli.loading import load_model, read_options
    from adapters.cli.reporting import message, reported, written
    from adapters.cli.training_data import read_labelled, read_texts_to_continue
    from adapters.training.registry import FitSettings, system_named
    from ews.cli.files import check_folder
    from ews.cli.output import progress_bar

    with reported():
        chosen = system_named(system)
        given = read_options("--option", option or [])
        if lora is not None:
            given["lora"] = lora
        check_folder("--out", out, _WRITTEN, inputs=[model, data], force=force or resume)
        chosen.require_options(given)
        rows: list[Any] = []
        if chosen.takes == "labelled texts":
            rows = list(read_labelled(data, label=label_column, columns=text_column or ()))
        loaded, tokenizer = load_model(
            model,
            kind=chosen.model,
            dtype=dtype,
            device=device,
            threads=threads,
            trust_remote_code=trust_remote_code,
        )
        from adapters.training.loop import is_first_process

        if chosen.takes == "texts":
            rows = read_texts_to_continue(data, tokenizer, length=length, prompt=prompt_tokens)
        with progress_bar("training") as report:
            fit = FitSettings(
                epochs=chosen.epochs if epochs is None else epochs,
                batch_size=chosen.batch_size if batch_size is None else batch_size,
                learning_rate=learning_rate,
                seed=seed,
                accumulate=accumulate,
                directory=out / "checkpoints",
                checkpoint_every=checkpoint_every,
                resume=resume,
                progress=report,
            )
            found = chosen.function()(loaded, rows, folder=out, fit=fit, tokenizer=tokenizer, **given)
        if not is_first_process():
            return
        message(f"wrote {out}")
        written(dict(found), report=_report(chosen.name, len(rows), found), json=Path("-") if as_json else None)


def _report(name: str, texts: int, found: Any) -> str:
    training = found.get("training", {})
    runs = training.get("runs", {"": training})
    lines = [f"{name}, {texts} texts"]
    for run, each in runs.items():
        if "steps" in each:
            said = f"{run}: " if run else ""
            lines.append(f"{said}{each['steps']} steps, loss {each['first_loss']:.4f} → {each['last_loss']:.4f}")
    lines += [f"{key}: {value:.4g}" for key, value in found.items() if isinstance(value, float)]
    return "\n".join(lines)
