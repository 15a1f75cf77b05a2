"""``ews llm calibrate``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from adapters.cli import options

__all__ = ["calibrate"]


def calibrate(
    model: options.Model,
    texts: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help='Prompts, 200 or more: one on each line, or JSON lines with a field "prompt" or "text".',
            show_default=False,
        ),
    ],
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the policy is written.", show_default=False)],
    risk: Annotated[float, typer.Option(help="Share of tokens, or of texts, that may differ.")] = 0.05,
    confidence: Annotated[float, typer.Option(help="Probability that this holds, over the draw of the texts.")] = 0.95,
    target: Annotated[str, typer.Option(help="What the risk is a share of: agreement or sequence.")] = "agreement",
    unit: Annotated[str, typer.Option(help="What is left out: layer, ffn or both.")] = "layer",
    chat: options.Chat = None,
    max_new_tokens: options.Tokens = 64,
    seed: options.Seed = 0,
    dtype: options.Dtype = "auto",
    device: options.Device = None,
    threads: options.Threads = None,
    trust_remote_code: options.TrustRemoteCode = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the report.")] = False,
    force: options.Force = False,
) -> None:
    """Fit the early-warning policy to a model, so that a stated risk holds.

    The model continues the prompts; a part of them, which nothing was fitted to, decides how far the thresholds go.
    """
    from adapters.cli.loading import load_model
    from adapters.cli.reporting import message, reported, require_places, written
    from adapters.cli.texts import read_prompts, tokenised

    with reported():
        require_places(output=output, inputs=[model, texts], force=force)
        prompts = read_prompts(texts)
        loaded, tokenizer = load_model(
            model, dtype=dtype, device=device, threads=threads, trust_remote_code=trust_remote_code
        )
        from adapters.calibration.result import calibration_dict
        from adapters.policies.ews import EWSExitPolicy

        policy = EWSExitPolicy.calibrate(
            loaded,
            None,
            tokenised(prompts, tokenizer, chat=chat),
            risk=risk,
            confidence=confidence,
            target=target,  # type: ignore[arg-type]  # it is checked there
            unit=unit,  # type: ignore[arg-type]
            max_new_tokens=max_new_tokens,
            seed=seed,
            progress=sys.stdout.isatty(),
        )
        policy.save(output)
        message(f"wrote {output}")
        assert policy.calibration is not None
        found = calibration_dict(policy.calibration)
        written(found, report=_report(found), json=Path("-") if as_json else None)


def _report(found: dict[str, object]) -> str:
    config, rule = found["config"], found["rule"]
    assert isinstance(config, dict)
    share = "tokens" if config["target"] == "agreement" else "texts"
    lines = [
        f"{config['model_type']}, {config['texts']} texts, {config['tokens']} tokens",
        f"at most {config['risk']:.1%} of the {share} differ from the full model's, with confidence "
        f"{config['confidence']:.0%}",
    ]
    if not isinstance(rule, dict):
        return "\n".join([*lines, "nothing saves anything at this risk: the policy runs the full model"])
    lines += [
        f"after {each['depth']} layers: "
        + ("predict for every token" if each["gate"] is None else "predict where the exit classifier opens")
        + f", leave from a confidence of {each['threshold']:.3f} on"
        for each in rule["exits"]
    ]
    for each in rule["feeds"]:
        blocks = ", ".join(map(str, each["layers"]))
        lines.append(f"feed-forward blocks {blocks}: left out where the classifier opens")
    return "\n".join([*lines, f"expected: {found['expected']:.2f} of the full model's work"])
