"""Leave where a learned classifier says that the prediction would be right (CALM, early-exit classifier)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from adapters._common.checks import read_depths, read_share
from adapters._common.publish import public
from adapters.calibration.fingerprint import Known
from adapters.decoding.contract import CacheMode, Plan, Promise, Trajectory
from adapters.errors import PolicyMismatchError
from adapters.families import Family
from adapters.heads.logistic import Logistic
from adapters.policies.threshold import ThresholdPolicy
from ews.errors import ArgumentError, InputTypeError, described

if TYPE_CHECKING:
    from adapters.calibration.classifiers import StateClassifiers

__all__ = ["ClassifierPolicy"]

Classifiers = Mapping[int, Logistic]


def _drawn(family: Family) -> Classifiers:
    """Classifiers that were not learned, for any model: what a contract test needs."""
    random = np.random.default_rng(0)
    return {depth: Logistic(random.standard_normal(family.width), 0.0) for depth in range(1, family.depth)}


@public("adapters")
class ClassifierPolicy(ThresholdPolicy):
    r"""Early exit by a learned classifier: leave where a logistic regression on the state is sure that it is decided.

    At each depth :math:`\sigma(w_l \cdot h_l + b_l)` estimates the probability that the prediction there is the full
    model's token; no head is needed for that, and where a token leaves the model's own runs once. :meth:`fit` learns
    the regressions from text that the model writes, :meth:`calibrate` finds the threshold on other texts.

    Parameters
    ----------
    classifiers : StateClassifiers, or mapping of int to Logistic, or callable
        What :meth:`fit` learned, which belongs to one model; or regressions by depth; or a function that makes these
        for the model (a family) that the policy meets.
    threshold : float, default 0.9
        Probability from which a token leaves.
    depths : sequence of int, optional
        After how many layers to ask (default: wherever there is a classifier).
    horizon : int, optional
        Expected number of tokens N. With it the threshold of token t falls, as
        :math:`\min(1, 0.9\,\lambda + 0.1\,e^{-\tau t / N})`. Default: it stays.
    temperature : float, default 4.0
        The rate τ of that fall.
    cache : {"propagate", "deferred", "verify"}, default "deferred"
        How the cache is kept.
    drafts : int, optional
        With ``cache="verify"``, how many tokens are drafted at most before the full model checks (default: 4).

    Attributes
    ----------
    calibration : ThresholdCalibration or None
        What the threshold comes from, where that is :meth:`calibrate`.

    Raises
    ------
    ews.errors.ArgumentError
        If an option cannot be used, or there is no classifier at a depth.
    adapters.errors.PolicyMismatchError
        If the classifiers are of another model.

    References
    ----------
    Schuster, T. et al. (2022). Confident adaptive language modeling. NeurIPS 35, sec. 3.2 (early-exit classifier) and
    eq. 5 (decaying threshold). There the classifiers of all layers are one; here each depth has its own.

    Examples
    --------
    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> config = LlamaConfig(
    ...     vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=4, num_attention_heads=2,
    ...     eos_token_id=None, pad_token_id=0,
    ... )
    >>> model = LlamaForCausalLM(config).eval()
    >>> from adapters import ClassifierPolicy
    >>> policy = ClassifierPolicy.fit(model, None, [[1, 2, 3], [4, 5]], max_new_tokens=6, progress=False)
    >>> sorted(policy.classifiers.right)
    [1, 2, 3]
    """

    promise = Promise({"classifiers": _drawn, "threshold": 0.5})

    def __init__(
        self,
        *,
        classifiers: StateClassifiers | Classifiers | Callable[[Family], Classifiers],
        threshold: float = 0.9,
        depths: Sequence[int] | None = None,
        horizon: int | None = None,
        temperature: float = 4.0,
        cache: CacheMode = "deferred",
        drafts: int | None = None,
    ) -> None:
        super().__init__(
            threshold=read_share("threshold", threshold),
            depths=depths,
            horizon=horizon,
            temperature=temperature,
            cache=cache,
            drafts=drafts,
        )
        by_depth = getattr(classifiers, "classifiers", classifiers)
        if not callable(by_depth) and not (isinstance(by_depth, Mapping) and by_depth):
            raise InputTypeError(
                "classifiers", classifiers, "what ClassifierPolicy.fit learned, or regressions by depth"
            )
        self.classifiers: Any = classifiers
        self._known = Known()
        self._held: dict[int, tuple[Tensor, float]] = {}

    @classmethod
    def fit(
        cls,
        model: Any,
        tokenizer: Any,
        texts: Sequence[Any],
        *,
        max_new_tokens: int = 64,
        progress: bool = True,
        **options: Any,
    ) -> ClassifierPolicy:
        """Learn the classifiers from text that the model writes.

        Parameters
        ----------
        model : transformers.PreTrainedModel
            A causal language model.
        tokenizer : callable or None
            What makes tokens of strings.
        texts : sequence of str, or of sequences of int
            Prompts of the kind that the policy will see. The threshold is calibrated on others.
        max_new_tokens : int, default 64
            How long the continuations are.
        progress : bool, default True
            Show a bar.
        **options
            Of the policy; with `depths`, only these are fitted.

        Returns
        -------
        ClassifierPolicy
            Its ``classifiers`` can be saved.
        """
        from adapters.calibration.classifiers import fit_classifiers

        found = fit_classifiers(
            model,
            tokenizer,
            texts,
            depths=options.get("depths"),
            max_new_tokens=max_new_tokens,
            progress=progress,
        )
        return cls(classifiers=found, **options)

    @classmethod
    def load(cls, path: str | Path, model: Any, **options: Any) -> ClassifierPolicy:
        """Read classifiers that ``policy.classifiers.save(path)`` wrote.

        Parameters
        ----------
        path : path
            The file.
        model : transformers.PreTrainedModel
            The model that they are for.
        **options
            Of the policy.

        Returns
        -------
        ClassifierPolicy
            The policy.

        Raises
        ------
        adapters.errors.PolicyMismatchError
            If the file is missing, was changed or holds something else, or the model is another.
        """
        from adapters.calibration.classifiers import StateClassifiers

        return cls(classifiers=StateClassifiers.load(path, model), **options)

    def bind(self, family: Family) -> None:
        """See that the classifiers are of this model, and resolve the depths to ask at."""
        base = getattr(self.classifiers, "base", None)
        if base is not None and not self._known.is_same(family.model, base):
            given = described("another one, or one whose weights were changed since")
            raise PolicyMismatchError("model", given, "the model that the classifiers were fitted to")
        found = getattr(self.classifiers, "classifiers", self.classifiers)
        by_depth: Classifiers = found(family) if callable(found) else found
        depths = read_depths("depths", tuple(by_depth) if self.depths is None else self.depths, family.depth)
        kind = torch.float32 if torch.device(family.home).type == "mps" else torch.float64
        self._held = {}
        for depth in (each for each in depths if each < family.depth):
            if depth not in by_depth:
                raise ArgumentError(
                    "depths", depth, f"depths with a classifier: {', '.join(map(str, sorted(by_depth)))}"
                )
            weight = torch.as_tensor(by_depth[depth].weight, dtype=kind, device=family.home)
            if weight.shape != (family.width,):
                given = described(f"one of {weight.numel()} weights after {depth} layers")
                raise PolicyMismatchError(
                    "classifiers", given, f"one for each of the {family.width} numbers of a state"
                )
            self._held[depth] = weight, float(by_depth[depth].bias)
        self._plan = Plan(checks=tuple(sorted(self._held)))

    def unbind(self) -> None:
        """Forget what was put where the model computes."""
        self._held = {}

    def look(self, trajectory: Trajectory) -> tuple[Tensor, Tensor | None]:
        """The probability that this state is decided; undefined where it is not finite."""
        weight, bias = self._held[trajectory.depth]
        state = trajectory.state().to(weight.dtype)
        sure = torch.sigmoid(state @ weight + bias)
        return sure.where(state.isfinite().all(-1), torch.nan), None
