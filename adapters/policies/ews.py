"""Early warning over layers: a warning from windowed statistics, then a confirmation through a cheap head."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor

from adapters._common.publish import public
from adapters.decoding.contract import CacheMode, Plan, Promise, Unit
from adapters.heads.early_warning import CACHE_OF_UNIT, EarlyWarning
from adapters.heads.training_free import Untrained
from ews.errors import ArgumentError, described

if TYPE_CHECKING:
    from adapters.calibration.costs import Costs
    from adapters.calibration.result import Calibration

__all__ = ["EWSExitPolicy"]


@public("adapters")
class EWSExitPolicy(EarlyWarning):
    """Early exit, or FFN skips, on an early warning over layers that an exit-head prediction confirms.

    *Warning.* At a few depths, variance, lag-1 autocorrelation, skewness and trend of four signals of the residual
    stream over the last layers (and the signals themselves, where that is what was fitted) say whether an exit-head
    prediction is worth its cost; no head is needed for that. *Confirmation.* The state goes through a tuned lens and a
    short-listed head, and a threshold on the confidence decides. What the head predicted is what the token emits.

    Without a calibration the policy is training-free: it predicts through the model's own head, and takes for settled
    what changes less than most tokens of this generation did. :meth:`calibrate` fits tuned lens, head, classifiers and
    thresholds to a model, and sets them so that disagreement with the full model stays below a stated risk.

    Parameters
    ----------
    unit : {"layer", "ffn", "both"}, default "layer"
        What is left out: the layers after an exit, feed-forward blocks, or both.
    cache : {"deferred", "propagate", "verify", "exact"}, optional
        Default: "deferred" for layers, which keeps the cache exact; "exact" for feed-forward blocks, where it is so by
        itself; "propagate" for both.
    drafts : int, optional
        With ``cache="verify"``, how many tokens are drafted at most before the full model checks (default: 4).
    depths : sequence of int, optional
        Training-free: after how many layers to ask (default: 3/4 and 7/8 of the model).
    threshold : float, default 0.9
        Training-free: probability of the likeliest token above which a prediction confirms.
    window : int, default 8
        Training-free: how many layers a window holds.
    warmup : int, default 16
        Training-free: how many tokens run in full first, to see what is usual.
    calibration : Calibration, optional
        From :meth:`calibrate` or :meth:`load`; then the training-free options have no meaning.

    Raises
    ------
    ews.errors.ArgumentError
        If an option cannot be used.

    References
    ----------
    Schuster, T. et al. (2022). Confident adaptive language modeling. NeurIPS 35. Angelopoulos, A. N. et al. (2021).
    Learn then test: calibrating predictive algorithms to achieve risk control. arXiv:2110.01052. Dakos, V. et al.
    (2012). Methods for detecting early warnings of critical transitions in time series. PLoS ONE 7, e41010.

    Examples
    --------
    >>> import torch
    >>> from adapters import EWSExitPolicy
    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> config = LlamaConfig(
    ...     vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=8, num_attention_heads=2,
    ...     eos_token_id=None,
    ... )
    >>> model = LlamaForCausalLM(config).eval()
    >>> policy = EWSExitPolicy(window=4, warmup=2)
    >>> written = model.generate(torch.tensor([[1, 2, 3]]), max_new_tokens=8, custom_generate=policy, pad_token_id=0)
    >>> policy.report().tokens
    7
    """

    promise = (
        Promise(  # what is usual is learned from all rows together; it waits at its classifier, and at the head again
            {"window": 3, "depths": (4,), "warmup": 2, "threshold": 0.0}, row_by_row=False, waits=None
        )
    )

    def __init__(
        self,
        *,
        unit: Unit = "layer",
        cache: CacheMode | None = None,
        drafts: int | None = None,
        depths: Sequence[int] | None = None,
        threshold: float = 0.9,
        window: int = 8,
        warmup: int = 16,
        calibration: Calibration | None = None,
    ) -> None:
        chosen = calibration.config.unit if calibration is not None else unit
        kept = calibration.config.cache if calibration is not None and cache is None else cache
        self.calibration = calibration
        self._untrained: Untrained | None = None
        if calibration is not None:
            fitted = calibration.bind
        else:
            self._untrained = Untrained(depths=depths, threshold=threshold, window=window, warmup=warmup, unit=chosen)
            fitted = self._untrained.bind
        super().__init__(fitted, unit=chosen, cache=kept or CACHE_OF_UNIT.get(chosen, "deferred"), drafts=drafts)

    @property
    def goes_by_step(self) -> bool:
        """Without a calibration, what is usual is learned from the tokens before."""
        return self._untrained is not None

    def start(self, rows: int, input_ids: Tensor | None) -> None:
        """Begin a generation, and forget what was usual in another."""
        if self._untrained is not None:
            self._untrained.start()

    def plan(self, step: int) -> Plan:
        """Plan the same checks for every token; none where nothing was found that pays."""
        if self._untrained is not None:
            self._untrained.hear(step)
        return super().plan(step)

    # ---- fitting and keeping --------------------------------------------------------------------------------------

    @classmethod
    def calibrate(
        cls,
        model: Any,
        tokenizer: Any,
        texts: Sequence[Any],
        *,
        risk: float = 0.05,
        confidence: float = 0.95,
        target: Literal["agreement", "sequence"] = "agreement",
        unit: Unit = "layer",
        features: Literal["windowed", "raw", "both"] = "both",
        max_new_tokens: int = 64,
        costs: Costs | None = None,
        seed: int = 0,
        progress: bool = True,
    ) -> EWSExitPolicy:
        """Fit tuned lens, head, exit classifiers and thresholds to a model, on text that it writes itself.

        The texts are split: on one part lens and head are fitted, on a second how sure a prediction can be and where
        it is worth its cost; the third, which nothing was fitted to, decides how far the thresholds may go.

        Parameters
        ----------
        model : transformers.PreTrainedModel
            A causal language model.
        tokenizer : callable or None
            What makes tokens of strings.
        texts : sequence of str, or of sequences of int
            Prompts of the kind that the policy will see; 200 or more. What is promised holds for such prompts.
        risk : float, default 0.05
            Share of tokens (``target="agreement"``) or of continuations (``"sequence"``) that may differ from the full
            model's, given the same text before them.
        confidence : float, default 0.95
            Probability, over the draw of the texts, that the promise holds.
        target : {"agreement", "sequence"}, default "agreement"
            What `risk` is a share of.
        unit : {"layer", "ffn", "both"}, default "layer"
            What is left out.
        features : {"windowed", "raw", "both"}, default "both"
            What the classifier sees; "raw" is the control without windows.
        max_new_tokens : int, default 64
            How long the continuations are.
        costs : Costs, optional
            What layers, heads and predictions cost on this machine, such as ``adapters.assess(...).costs`` (default:
            what follows from the sizes of weights). They decide which rules are worth testing, not what is promised.
        seed : int, default 0
            Seed of the split of the texts and of the test.
        progress : bool, default True
            Show a bar.

        Returns
        -------
        EWSExitPolicy
            With its calibration. Where nothing saves anything at this risk it runs at full depth, and a
            :class:`adapters.errors.FullDepthWarning` says so.

        Raises
        ------
        ews.errors.ArgumentError
            If there are too few texts for that risk and confidence, or an argument cannot be used.
        """
        from adapters.calibration.run import calibrate

        found = calibrate(
            model,
            tokenizer,
            texts,
            risk=risk,
            confidence=confidence,
            target=target,
            unit=unit,
            features=features,
            max_new_tokens=max_new_tokens,
            costs=costs,
            seed=seed,
            progress=progress,
        )
        return cls(calibration=found)

    def save(self, folder: str | Path) -> None:
        """Write the calibration as ``policy.json`` and ``policy.safetensors``.

        Parameters
        ----------
        folder : path
            Made where it does not exist.

        Raises
        ------
        ews.errors.ArgumentError
            If the policy has no calibration.
        """
        from adapters.calibration.saving import save_calibration

        if self.calibration is None:
            given = described("one without a calibration")
            raise ArgumentError("policy", given, "what EWSExitPolicy.calibrate returned")
        save_calibration(self.calibration, Path(folder))

    @classmethod
    def load(cls, folder: str | Path, model: Any) -> EWSExitPolicy:
        """Read a calibration, and see that it belongs to a model.

        Parameters
        ----------
        folder : path
            Where :meth:`save` wrote.
        model : transformers.PreTrainedModel
            The model that it is for.

        Returns
        -------
        EWSExitPolicy
            The policy.

        Raises
        ------
        adapters.errors.PolicyMismatchError
            If the files are missing, cut short or changed, or were made with another model.
        """
        from adapters.calibration.saving import load_calibration

        return cls(calibration=load_calibration(Path(folder), model))
