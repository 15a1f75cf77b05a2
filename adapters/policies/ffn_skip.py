"""Feed-forward blocks left out where the one before hardly turned the state (FFN-SkipLLM)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from adapters._common.checks import require_cache
from adapters._common.publish import public
from adapters.decoding.contract import CacheMode, Promise
from adapters.heads.ffn_skip import GreedyFFNSkip

if TYPE_CHECKING:
    from adapters.calibration.ffn_skip import FFNSkipCalibration

__all__ = ["FFNSkipPolicy"]


@public("adapters")
class FFNSkipPolicy(GreedyFFNSkip):
    r"""FFN skipping (FFN-SkipLLM): where a block hardly turns the residual stream, the next k blocks are left out.

    The first tokens run in full, and so do the layers at both ends. In between attention always runs, so the cache
    stays exact. A block that runs is followed by a look: where the cosine of the residual stream before it and after
    its output was added is at least `threshold`, the blocks of the next `k` layers are left out; then one runs again.
    Each row of a batch goes by its own state.

    Parameters
    ----------
    threshold : float, default 0.97
        Cosine τ from which blocks are left out. It depends on the model, and with `k` sets how many are:
        :meth:`calibrate` finds it for a share that is wanted.
    k : int, default 1
        How many blocks in turn are left out; 0 leaves none out.
    cold_start, cold_end : int, optional
        Layers [0, `cold_start`) and [`cold_end`, L) always run in full (default: a sixth of the layers at each end,
        which in the models published change the state the most).
    warmup : float or int, default 0.1
        Tokens at the beginning that run in full: a share of `length` (published: 0.05 to 0.1), or a whole number of
        them. What is written first is in the cache for all that follows.
    length : int, default 64
        How long generations will be, where `warmup` is a share.
    cache : {"exact"}, default "exact"
        Attention always runs.

    Attributes
    ----------
    calibration : FFNSkipCalibration or None
        What the options come from, where that is :meth:`calibrate`.

    Raises
    ------
    ews.errors.ArgumentError
        If an option cannot be used, or does not fit the model it meets.

    References
    ----------
    Jaiswal, A. et al. (2024). FFN-SkipLLM: a hidden gem for autoregressive decoding with adaptive feed forward
    skipping. arXiv:2404.03865, algorithm 1.

    Examples
    --------
    >>> import torch
    >>> from adapters import FFNSkipPolicy
    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> config = LlamaConfig(
    ...     vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=8, num_attention_heads=2,
    ...     eos_token_id=None,
    ... )
    >>> model = LlamaForCausalLM(config).eval()
    >>> policy = FFNSkipPolicy(threshold=-1.0, k=2, warmup=0)
    >>> written = model.generate(torch.tensor([[1, 2, 3]]), max_new_tokens=9, custom_generate=policy, pad_token_id=0)
    >>> policy.report().layers_per_token, policy.report().ffn_left_out_per_token  # layers 2 to 5: run, out, out, run
    (8.0, 2.0)
    """

    promise = Promise(
        {"threshold": 0.5, "warmup": 2, "cold_start": 1, "cold_end": 5}, caches=("exact",), leaves=False, skips=True
    )

    def __init__(
        self,
        *,
        threshold: float = 0.97,
        k: int = 1,
        cold_start: int | None = None,
        cold_end: int | None = None,
        warmup: float = 0.1,
        length: int = 64,
        cache: CacheMode = "exact",
    ) -> None:
        super().__init__(
            threshold=threshold,
            k=k,
            cold_start=cold_start,
            cold_end=cold_end,
            warmup=warmup,
            length=length,
            cache=cache,
        )
        require_cache(cache, self.promise.caches, "feed-forward blocks alone")
        self.calibration: FFNSkipCalibration | None = None

    @classmethod
    def calibrate(
        cls,
        model: Any,
        tokenizer: Any,
        texts: Sequence[Any],
        *,
        skip_ratio: float = 0.25,
        k: int | None = None,
        warmup: float = 0.1,
        max_new_tokens: int = 64,
        seed: int = 0,
        progress: bool = True,
    ) -> FFNSkipPolicy:
        """Find cold regions and threshold on text that the model writes, for a share of blocks to leave out.

        Parameters
        ----------
        model : transformers.PreTrainedModel
            A causal language model.
        tokenizer : callable or None
            What makes tokens of strings.
        texts : sequence of str, or of sequences of int
            Prompts of the kind that the policy will see, 8 or more; half of them choose, the others measure.
        skip_ratio : float, default 0.25
            Share of all feed-forward blocks to be left out of the tokens after the warm-up.
        k : int, optional
            How many blocks in turn (default: 1 or 2, whichever agrees more with the full model).
        warmup : float or int, default 0.1
            See :class:`FFNSkipPolicy`; its `length` is `max_new_tokens`.
        max_new_tokens : int, default 64
            How long the continuations are.
        seed : int, default 0
            Seed of the split of the texts.
        progress : bool, default True
            Show a bar.

        Returns
        -------
        FFNSkipPolicy
            With its ``calibration``: the share that is left out, and how often the token is that of the full model, on
            texts that nothing was chosen on.

        Raises
        ------
        ews.errors.ArgumentError
            If there are too few texts, or the share cannot be reached.
        """
        from adapters.calibration.ffn_skip import calibrate_ffn_skip

        found = calibrate_ffn_skip(
            model,
            tokenizer,
            texts,
            skip_ratio=skip_ratio,
            k=k,
            max_new_tokens=max_new_tokens,
            seed=seed,
            progress=progress,
        )
        policy = cls(**found.options, warmup=warmup, length=max_new_tokens)
        policy.calibration = found
        return policy
