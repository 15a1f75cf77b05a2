"""Tiny random encoders, of each architecture one or two, built from a configuration without any download."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AlbertConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    BertConfig,
    CamembertConfig,
    MPNetConfig,
    PreTrainedConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

__all__ = ["CLASSES", "ENCODERS", "VOCABULARY", "batch", "encoder", "shared"]

VOCABULARY, CLASSES, WIDTH = 97, 3, 32
_SIZE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "initializer_range": 0.15,
    "num_labels": CLASSES,
}

ENCODERS: dict[str, Callable[..., PreTrainedConfig]] = {
    "albert": lambda **options: AlbertConfig(
        **{**_SIZE, "embedding_size": 16, "num_hidden_groups": 2, "inner_group_num": 2, "pad_token_id": 0, **options}
    ),
    "bert": lambda **options: BertConfig(**{**_SIZE, "pad_token_id": 0, **options}),
    "bert-chunked": lambda **options: BertConfig(
        **{**_SIZE, "pad_token_id": 0, "chunk_size_feed_forward": 1, **options}
    ),
    "camembert": lambda **options: CamembertConfig(**{**_SIZE, "pad_token_id": 1, **options}),
    "mpnet": lambda **options: MPNetConfig(**{**_SIZE, "pad_token_id": 1, **options}),
    "roberta": lambda **options: RobertaConfig(**{**_SIZE, "pad_token_id": 1, "type_vocab_size": 1, **options}),
    "xlm-roberta": lambda **options: XLMRobertaConfig(**{**_SIZE, "pad_token_id": 1, **options}),
}


def encoder(
    name: str, *, layers: int = 6, classify: bool = True, attention: str | None = None, seed: int = 0, **options: Any
) -> Any:
    """A model in evaluation mode, every weight drawn, norms and biases too."""
    config = ENCODERS[name](num_hidden_layers=layers, **options)
    kind = AutoModelForSequenceClassification if classify else AutoModel
    chosen = {} if attention is None else {"attn_implementation": attention}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = kind.from_config(config, **chosen)
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.data += 0.2 * torch.randn_like(parameter)
        for module in model.modules():
            if type(module) is nn.Embedding:
                module.weight.data /= module.weight.data.std()
    return model.eval()


shared = cache(encoder)  # for tests that leave it as it is


def batch(name: str, *, rows: int = 4, tokens: int = 9, padded: bool = True, seed: int = 0) -> dict[str, Tensor]:
    """Inputs of a batch; with `padded` each row is shorter than the one before."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(2, VOCABULARY, (rows, tokens), generator=generator)
    mask = torch.ones_like(ids)
    if padded:
        for row in range(rows):
            mask[row, max(2, tokens - 2 * row) :] = 0
        ids[mask == 0] = 0 if name.startswith(("bert", "albert")) else 1
    return {"input_ids": ids, "attention_mask": mask}
