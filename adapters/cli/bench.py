"""``ews llm bench``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from adapters.cli import options

__all__ = ["bench", "usual"]


def bench(
    model: options.Model,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FOLDER",
            help="As for `ews llm generate`; repeat it for several.",
            show_default="a few settings of each",
        ),
    ] = None,
    texts: options.Texts = None,
    chat: options.Chat = None,
    prompts: Annotated[int, typer.Option(min=1, help="Prompts that are timed.")] = 4,
    replayed: Annotated[int, typer.Option(min=0, help="Texts that agreement is measured on.")] = 24,
    max_new_tokens: options.Tokens = 48,
    repeats: Annotated[int, typer.Option(min=1, help="How often everything is timed.")] = 3,
    seed: options.Seed = 0,
    dtype: options.Dtype = "auto",
    device: options.Device = None,
    threads: options.Threads = None,
    trust_remote_code: options.TrustRemoteCode = False,
    json: options.Json = None,
    figure: options.Figure = None,
    force: options.Force = False,
) -> None:
    """Compare policies on a model: measured time beside agreement with the full model.

    Every prompt is decoded by the full model and under each policy in turn. Rows with a star are on the front: none
    is both faster and closer to the full model. Leave the machine alone meanwhile.
    """
    from adapters.cli.loading import load_model, load_policy
    from adapters.cli.reporting import reported, require_places, written
    from adapters.cli.texts import read_prompts, tokenised
    from ews.cli.output import progress_bar

    with reported():
        require_places(json=json, figure=figure, inputs=[model, texts, *(policy or ())], force=force)
        lines = read_prompts(texts)
        loaded, tokenizer = load_model(
            model, dtype=dtype, device=device, threads=threads, trust_remote_code=trust_remote_code
        )
        import numpy as np
        import torch

        from adapters.assessment.pareto import front, pareto, pareto_table
        from adapters.families import family_of
        from adapters.texts.continuations import full_model_continuations

        policies = {text: load_policy(text, loaded) for text in policy or usual(family_of(loaded).depth)}
        ids = tokenised(lines, tokenizer, chat=chat)
        order = np.random.default_rng(seed).permutation(len(ids))
        timed = [ids[index] for index in order[:prompts]]
        seen = [ids[index] for index in order[::-1][:replayed]]
        with progress_bar("measuring") as report:
            said = full_model_continuations(loaded, seen, max_new_tokens=max_new_tokens) if seen else []
            rows = pareto(
                loaded,
                policies,
                prompts=timed,
                replay_texts=said,
                new_tokens=max_new_tokens,
                repeats=repeats,
                progress=report,
            )
        best = {row.setting for row in front(rows)}
        found = {
            "config": {
                "model": model,
                "dtype": str(loaded.dtype).removeprefix("torch."),
                "device": str(loaded.device),
                "threads": torch.get_num_threads(),
                "prompts": len(timed),
                "replayed": len(seen),
                "max_new_tokens": max_new_tokens,
                "repeats": repeats,
                "seed": seed,
            },
            "rows": [{**row.to_dict(), "on_front": row.setting in best} for row in rows],
        }

        def draw() -> Any:
            from adapters.assessment.pareto_figure import draw_pareto

            return draw_pareto(rows).figure

        written(found, report=pareto_table(rows), json=json, figure=figure, draw=draw, force=force)


def usual(layers: int) -> list[str]:
    """A few settings of each policy, as ``--policy`` takes them, for a model of so many layers."""
    early, late = max(1, 3 * layers // 4), max(2, 7 * layers // 8)
    found = [
        "never",
        *(f"confidence:threshold={threshold},depths={early}+{late}" for threshold in (0.5, 0.9)),
        *(f"saturation:threshold={threshold}" for threshold in (0.95, 0.98)),
        f"fixed:depth={late},cache=deferred",
    ]
    deep = ["skip_decode:speedup=1.15", "unified_skip:speedup=1.15", "ffn_skip", "random_ffn:rate=0.25", "ews"]
    return [*found, *deep] if layers >= 12 else found
