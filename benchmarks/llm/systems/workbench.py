"""One model, and the texts on which settings are fitted, judged and timed; no text serves for two of these."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer

from adapters.assessment.ffn import FFNCheck, check_ffn
from adapters.calibration.classifiers import StateClassifiers, fit_classifiers
from adapters.calibration.costs import measure_costs
from adapters.calibration.exits import window_for
from adapters.calibration.result import Calibration, CalibrationConfig, new_calibration
from adapters.calibration.table import ExitTable, trajectories_of
from adapters.decoding.contract import Policy, Trajectory
from adapters.families import Family, family_of
from adapters.heads.exit_classifier import FeatureSet
from adapters.policies.entropy import prediction_entropy
from adapters.signals import SIGNALS
from adapters.texts.continuations import Continuation
from adapters.texts.reading import IntArray
from benchmarks.llm.models import load, model_folder
from benchmarks.llm.prompts import text_folder
from benchmarks.llm.record import Recording, recorded, short_head
from benchmarks.llm.systems.account import Account, Use

__all__ = ["DEPTHS", "TOKENS", "Simulated", "Workbench"]

TOKENS = 48  # of a continuation, the first one included
_FITTED = 16  # texts on which parameters are found
_TRIED = 320  # tokens of these on which early exits are
_LEARNED, _LEARNED_TOKENS = 40, 32  # prompts from which classifiers are, and what is written after each
DEPTHS = (0.35, 0.5, 0.6, 0.7, 0.8, 0.9)  # of looks that cost no head, as shares of the layers
_LLAMA_VOCABULARY = 32000
_PROMPT, _SLICES = 32, 16  # tokens of WikiText-2 that are read before, and slices


@dataclass(frozen=True)
class Simulated:
    """What early exits would do on the states of the full model.

    Attributes
    ----------
    use : Use
        Of a token.
    agreement : float
        Share of tokens that are the full model's.
    """

    use: Use
    agreement: float


@dataclass(frozen=True)
class Lens:
    """What a head says at every depth.

    Attributes
    ----------
    right : ndarray of bool of shape (tokens, layers)
        Whether its token is the full model's.
    measures : dict of str to ndarray of shape (tokens, layers)
        How sure it is: "probability", and (the less the surer) "entropy".
    """

    right: np.ndarray
    measures: dict[str, np.ndarray]


class Workbench:
    """Everything that is known of one model before its systems are compared.

    Parameters
    ----------
    name : str
        Of the model and of its recording.
    texts : int
        How many are judged.
    dtype : str
        Of the weights.
    duo : sequence of Path
        Folders of Duo-LLM, trained beside this model.
    """

    def __init__(self, name: str, *, texts: int, dtype: str = "bfloat16", duo: Sequence[Path] = ()) -> None:
        self.name = name
        self.model, self.tokenizer = load(name, dtype=dtype)
        self.dtype = dtype
        self.duo = {folder.name: folder for folder in duo}
        self.family: Family = family_of(self.model)
        self.recording: Recording = recorded(name)
        self.head = short_head(self.family, self.recording)
        self.account = Account.of(self.family, self.head)
        self.short = False
        self._plain: Workbench | None = None  # of the short-listed head's: the one that it was made from
        self.judged_part = self.recording.test_part[:texts]
        self.timed_part = self.recording.test_part[texts:]

    @property
    def proposing(self) -> IntArray:
        """Texts from which rules of the early-warning policy are made."""
        return self.recording.rule_part[::2]

    @property
    def choosing(self) -> IntArray:
        """Texts on which one of these rules is chosen."""
        return self.recording.rule_part[1::2]

    def texts(self, indices: Any) -> dict[int, Continuation]:
        """Texts of the recording, by their index, as long as those that are judged; without those of one token."""
        found = {}
        for index in map(int, indices):
            each = self.recording.written[index]
            found[index] = Continuation(each.tokens[: each.prompt + TOKENS], each.prompt)
        return {index: each for index, each in found.items() if each.decided}

    def _texts(self, indices: Any) -> list[Continuation]:
        return list(self.texts(indices).values())

    @cached_property
    def reader(self) -> Any:
        """The tokenizer for tasks: the model's, or TinyLlama's for one that was trained with it and comes without."""
        if self.tokenizer is not None or self.family.config.vocab_size != _LLAMA_VOCABULARY:
            return self.tokenizer
        found = AutoTokenizer.from_pretrained(model_folder("tinyllama-1.1b"))
        found.chat_template = None  # it answers no chat
        return found

    @cached_property
    def judged(self) -> list[Continuation]:
        """Texts on which agreement is measured."""
        return self._texts(self.judged_part)

    @cached_property
    def fitting(self) -> list[Continuation]:
        """Texts on which parameters are found."""
        return self._texts(self.recording.rule_part[:_FITTED])

    @property
    def learned(self) -> list[Continuation]:
        """Texts that what is learned is learned from."""
        return self._texts(self.recording.lens_part)

    def costs(self, clock: Callable[[], float]) -> dict[str, Any]:
        """What layers, heads and predictions take here, in plain numbers."""
        text = max(self.fitting, key=lambda each: len(each.tokens))
        window = window_for(self.family.depth)
        found = measure_costs(self.family, self.head, text.tokens, window=window, clock=clock)
        return asdict(found)

    def timed(self, count: int) -> list[list[int]]:
        """Prompts that are timed."""
        return [each.tokens[: each.prompt].tolist() for each in self._texts(self.timed_part[:count])]

    @cached_property
    def others(self) -> list[Continuation]:
        """Slices of the test part of WikiText-2; of a model without a tokenizer, text that is sampled from it."""
        if self.tokenizer is None:
            return self._sampled()
        text = (text_folder() / "wikitext-2" / "test.txt").read_text(encoding="utf-8")
        ids = np.asarray(self.tokenizer(text[:400_000], add_special_tokens=False)["input_ids"], dtype=np.int64)
        size = _PROMPT + TOKENS
        begins = np.linspace(0, len(ids) - size, _SLICES).astype(int)
        return [Continuation(ids[begin : begin + size], _PROMPT) for begin in begins]

    @torch.no_grad()
    def _sampled(self) -> list[Continuation]:
        found = []
        prompts = self.timed(2 * _SLICES)
        torch.manual_seed(0)
        for length in sorted({len(each) for each in prompts}):  # side by side without padding
            ids = torch.tensor([each for each in prompts if len(each) == length])
            written = self.model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=True, top_k=0, max_new_tokens=TOKENS, pad_token_id=0
            )
            found += [Continuation(row, length) for row in written.numpy()]
        return found

    # ---- the calibrated policy ------------------------------------------------------------------------------------

    def evidence(self, features: FeatureSet, part: Any) -> ExitTable:
        """What classifiers with these features and predictions say of some texts."""
        found = self.recording.evidence.of_texts(part)
        columns = {"both": slice(None), "raw": slice(-len(SIGNALS), None), "windowed": slice(0, -len(SIGNALS))}
        return ExitTable(
            found.text, found.depths, found.features[:, :, columns[features]], found.confidence, found.correct
        )

    def calibration(self, features: FeatureSet, cache: Any) -> Calibration:
        """Without a rule."""
        return replace(self._calibration, config=replace(self._calibration.config, features=features, cache=cache))

    @cached_property
    def _calibration(self) -> Calibration:
        config = CalibrationConfig(
            risk=1.0,
            confidence=0.0,
            target="agreement",
            unit="layer",
            cache="deferred",
            features="both",
            window=window_for(self.family.depth),
            texts=len(self.recording.written),
            tokens=len(self.recording.evidence.text),
            max_new_tokens=TOKENS,
            seed=0,
            dtype=self.dtype,
            model_type=self.family.config.model_type,
        )
        return new_calibration(config, self.model, None, self.head, {}, self.account.costs, 1.0)

    @cached_property
    def classifiers(self) -> StateClassifiers:
        """Learned classifiers of CALM, from prompts that the head was fitted to."""
        if self._plain is not None:
            return self._plain.classifiers
        prompts = [each.tokens[: each.prompt].tolist() for each in self._texts(self.recording.lens_part[:_LEARNED])]
        depths = sorted({min(self.family.depth - 1, max(1, round(self.family.depth * share))) for share in DEPTHS})
        return fit_classifiers(self.model, None, prompts, depths=depths, max_new_tokens=_LEARNED_TOKENS, progress=False)

    @cached_property
    @torch.no_grad()
    def blocks(self) -> tuple[FFNCheck, ...]:
        """How far each feed-forward block turns the state, on the fitting texts."""
        return check_ffn(self.family, self.fitting, indices=range(len(self.fitting)), layers=())

    # ---- early exits on states that are known ---------------------------------------------------------------------

    @cached_property
    def _states(self) -> list[torch.Tensor]:
        """After each layer, of some tokens of the fitting texts."""
        found = trajectories_of(self.family, self.fitting, indices=range(len(self.fitting)))
        states = [torch.cat(each) for each in zip(*(each for _, each in found), strict=True)]
        some = np.random.default_rng(0).permutation(len(states[0]))[:_TRIED]
        return [each[torch.as_tensor(np.sort(some))] for each in states]

    @cached_property
    def short_listed(self) -> Workbench:
        """The same, where all that is read is read through the short-listed head, and so paid for."""
        _ = self._states  # made once for both, as classifiers are
        other = copy.copy(self)
        other._plain = self
        other.__dict__.pop("lens", None)
        other.short, other.account = True, replace(self.account, short=True)
        return other

    @cached_property
    @torch.no_grad()
    def lens(self) -> Lens:
        """What the model's own norm and head say of these states; or the short-listed head."""
        full = self.family.logits(self.family.finish(self._states[-1])).argmax(-1)
        columns = []
        for depth, state in enumerate(self._states[1:], start=1):
            if self.short:
                found = self.head.predict(state, depth)
                assert found.exact is not None
                columns.append((found.token == full, found.confidence, prediction_entropy(found.exact)))
                continue
            logits = self.family.logits(self.family.finish(state)).float()
            columns.append((logits.argmax(-1) == full, logits.softmax(-1).amax(-1), prediction_entropy(logits)))
        right, *measures = (torch.stack(each, 1).numpy() for each in zip(*columns, strict=True))
        return Lens(right, dict(zip(("probability", "entropy"), measures, strict=True)))

    def left(self, at: np.ndarray, heads: np.ndarray) -> Simulated:
        """Tokens that leave at these depths, having run so many heads."""
        right = self.lens.right[np.arange(len(at)), at - 1]
        mean = float(at.mean())
        return Simulated(Use(mean, mean, float(heads.mean())), float(right.mean()))

    @torch.no_grad()
    def simulated(self, policy: Policy) -> Simulated:
        """Let a policy that takes no head to decide do so on the fitting texts."""
        rows = len(self._states[0])
        policy.bind(self.family)
        policy.start(rows, None)
        running, left = np.arange(rows), np.full(rows, self.family.depth)
        for at in policy.plan(0).checks:
            if not len(running):
                break
            everyone = len(running) == rows
            found = policy.check(Trajectory(self._states[: at + 1], None if everyone else running))
            if found is not None:
                leaving = np.ones(len(running), bool) if found.rows is None else np.asarray(found.rows, bool)
                left[running[leaving]], running = at, running[~leaving]
        policy.unbind()
        return self.left(left, np.ones(rows))

    def confident(self, opens: np.ndarray, depths: Sequence[int]) -> Simulated:
        """Tokens leave at the first depth where they may, shape (tokens, layers − 1), and take a head at each."""
        asked = np.asarray(depths)
        allowed = opens[:, asked - 1]
        early = allowed.any(1)
        first = allowed.argmax(1)
        at = np.where(early, asked[first], self.family.depth)
        return self.left(at, np.where(early, first + 1, len(asked) + 1))
