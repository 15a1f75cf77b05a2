"""``ews llm generate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.cli import options

__all__ = ["generate"]

_COLDEST, _HOTTEST = 1e-3, 1e3  # beyond, scores leave float32 or every token is as likely as any other


def generate(
    model: options.Model,
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="What the text begins with.", show_default=False)],
    policy: Annotated[
        str,
        typer.Option(
            metavar="NAME|FOLDER",
            help="A folder of `ews llm calibrate`, or a name: confidence, ews, fixed, fixed_point, never, random, "
            "saturation. Options follow a colon, as in the examples.",
        ),
    ] = "ews",
    chat: options.Chat = None,
    max_new_tokens: options.Tokens = 64,
    temperature: Annotated[float, typer.Option(help="Of sampling; 0 for the likeliest token.")] = 0.0,
    seed: options.Seed = 0,
    dtype: options.Dtype = "auto",
    device: options.Device = None,
    threads: options.Threads = None,
    trust_remote_code: options.TrustRemoteCode = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print text and report as JSON, instead of the text as it comes.")
    ] = False,
) -> None:
    """Write on from a prompt under a policy; the text comes as it is made, the report goes to standard error."""
    from adapters.cli.loading import load_model, load_policy
    from adapters.cli.reporting import message, reported, written
    from adapters.cli.texts import tokenised
    from ews.errors import ValueRangeError

    with reported():
        if max_new_tokens < 1:
            raise ValueRangeError("--max-new-tokens", max_new_tokens, "1 or more")
        if temperature != 0 and not _COLDEST <= temperature <= _HOTTEST:
            raise ValueRangeError("--temperature", temperature, f"0, or {_COLDEST:g} to {_HOTTEST:g}")
        loaded, tokenizer = load_model(
            model, dtype=dtype, device=device, threads=threads, trust_remote_code=trust_remote_code
        )
        chosen = load_policy(policy, loaded)
        ids = _checked(tokenised([prompt], tokenizer, chat=chat), loaded, further=max_new_tokens - 1)
        import torch
        from transformers import TextStreamer

        from adapters.texts.reading import pad_token

        given = torch.tensor([ids], device=loaded.device)
        how: dict[str, Any] = {"do_sample": temperature > 0, "num_beams": 1, "max_new_tokens": max_new_tokens}
        if temperature > 0:
            torch.manual_seed(seed)
            how["temperature"] = temperature
        if not as_json:
            how["streamer"] = TextStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
        how["pad_token_id"] = pad_token(loaded)
        with chosen.attach(loaded):
            found = loaded.generate(given, attention_mask=torch.ones_like(given), **how)
        report = chosen.report()
        if as_json:
            tokens = found[0, given.shape[1] :].tolist()
            text = tokenizer.decode(tokens, skip_special_tokens=True)
            written({"text": text, "tokens": tokens, "report": report.to_dict()}, report="", json=Path("-"))
        else:
            message(report.summary())


def _checked(texts: list[list[int]], model: Any, *, further: int) -> list[int]:
    """The tokens of the one prompt, which the model must have room and rows for."""
    from adapters.families import family_of
    from adapters.texts.reading import read_texts
    from ews.errors import ArgumentError

    try:
        family = family_of(model)
    except ArgumentError as error:
        raise ArgumentError("MODEL", error.given, error.allowed) from None
    try:
        (tokens,) = read_texts(texts, None, family, further=further)
    except ArgumentError as error:
        raise ArgumentError("PROMPT", error.given, error.allowed) from None
    return [int(token) for token in tokens]
