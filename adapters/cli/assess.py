"""``ews llm assess``."""

from __future__ import annotations

from typing import Annotated

import typer

from adapters.cli import options

__all__ = ["assess"]


def assess(
    model: options.Model,
    texts: options.Texts = None,
    chat: options.Chat = None,
    max_new_tokens: options.Tokens = 32,
    tolerance: Annotated[float, typer.Option(help="Share of tokens that may change.")] = 0.05,
    seed: options.Seed = 0,
    dtype: options.Dtype = "auto",
    device: options.Device = None,
    threads: options.Threads = None,
    trust_remote_code: options.TrustRemoteCode = False,
    json: options.Json = None,
    figure: options.Figure = None,
    force: options.Force = False,
) -> None:
    """Say whether leaving layers out of a model could pay on this machine.

    Takes about a minute for a small model. Prints the verdict, *worth calibrating* or *leave this model alone*, what
    layers, head and exit-head predictions cost here, how early heads are right, and what each way of leaving work out
    could save.
    """
    from adapters.cli.loading import load_model
    from adapters.cli.reporting import reported, require_places, written
    from adapters.cli.texts import read_prompts, tokenised

    with reported():
        require_places(json=json, figure=figure, inputs=[model, texts], force=force)
        prompts = read_prompts(texts)
        loaded, tokenizer = load_model(
            model, dtype=dtype, device=device, threads=threads, trust_remote_code=trust_remote_code
        )
        from adapters.assessment.run import assess as assessed

        ids = tokenised(prompts, tokenizer, chat=chat)
        found = assessed(loaded, None, ids, max_new_tokens=max_new_tokens, tolerance=tolerance, seed=seed)
        written(found.to_dict(), report=found.summary(), json=json, figure=figure, draw=found.plot, force=force)
