"""From one token to the next: a few numbers that say how a generation is doing.

Where :mod:`adapters.signals` reads the layers of one token, these read one token after another: how sure the model is
of what it emits, and whether it says again what it said before.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from ews.errors import UnknownNameError

__all__ = ["TOKEN_SIGNALS", "Cycle", "Repetition", "TokenSignals", "logit_signals"]

FloatArray = np.ndarray[tuple[int, int], np.dtype[np.float64]]

TOKEN_SIGNALS = ("entropy", "margin", "repetition", "sure_repetition", "cycle")
_NGRAM = 4  # shorter ones come again in any text, longer ones tell of a loop later
_SURE = 0.01  # nats, added to an entropy before its logarithm
_LONGEST_CYCLE = 128  # tokens


def logit_signals(logits: Tensor) -> FloatArray:
    r"""How sure a model is of its next token.

    With :math:`p` the probabilities after the softmax and :math:`p_{(1)} \ge p_{(2)}` the two largest:

    ``entropy``
        :math:`-\sum p \log p`, in nats.
    ``margin``
        :math:`p_{(1)} - p_{(2)}`.

    Parameters
    ----------
    logits : Tensor of shape (rows, vocabulary)
        What a model emits, of any floating type; −∞ for tokens that are ruled out. Sums are taken in float32, or in
        float64 for float64.

    Returns
    -------
    ndarray of float64 of shape (rows, 2)
        Entropy and margin; NaN where a logit is NaN or +∞, or all are −∞.

    Examples
    --------
    >>> import torch
    >>> logit_signals(torch.tensor([[2.0, 0.5, 0.0, -torch.inf]])).round(3)
    array([[0.752, 0.572]])
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    p = logits.softmax(-1)
    top = p.topk(2)
    # −Σ p log p = log Σ exp(x) − Σ p x, and log Σ exp(x) = x₁ − log p₁: no logarithm over the vocabulary.
    first = logits.gather(-1, top.indices[..., :1])[..., 0]
    mean = (p * logits.clamp(min=torch.finfo(logits.dtype).min)).sum(-1)
    entropy = (first - top.values[..., 0].log() - mean).clamp(min=0.0)
    margin = top.values[..., 0] - top.values[..., 1]
    return torch.stack((entropy, margin), dim=-1).double().cpu().numpy()  # one copy to the host


class Repetition:
    """Whether a token completes an n-gram that occurred before in the same generation.

    Parameters
    ----------
    length : int, default 4
        Of the n-gram: shorter ones come again in any text, longer ones tell of a loop later.

    Examples
    --------
    >>> again = Repetition(length=2)
    >>> [again.take(token) for token in (5, 6, 7, 5, 6, 7)]
    [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]
    """

    def __init__(self, length: int = _NGRAM) -> None:
        self.length = length
        self._newest: tuple[int, ...] = ()
        self._seen: set[tuple[int, ...]] = set()

    def take(self, token: int) -> float:
        """Take in the next token; 1.0 where it says something again, else 0.0."""
        self._newest = (*self._newest, token)[-self.length :]
        if len(self._newest) < self.length:
            return 0.0
        known = self._newest in self._seen
        self._seen.add(self._newest)
        return float(known)


class Cycle:
    """Whether the newest tokens repeat those right before them: a cycle that was gone through twice at least.

    Healthy texts say things again, hardly ever at once. Cycles of up to 128 tokens are seen.

    Examples
    --------
    >>> cycle = Cycle()
    >>> [cycle.take(token) for token in (5, 6, 7, 5, 6, 7, 5, 8)]
    [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0]
    """

    def __init__(self) -> None:
        self._newest = np.zeros(_LONGEST_CYCLE, np.int64)  # the newest first
        self._same = np.zeros(_LONGEST_CYCLE, np.int64)  # how many tokens in a row equal the one k + 1 before
        self._count = 0
        self._lags = np.arange(1, _LONGEST_CYCLE + 1)

    def take(self, token: int) -> float:
        """Take in the next token; 1.0 where it goes on in a cycle, else 0.0."""
        equal = (self._newest == token) & (self._lags <= self._count)
        self._same = np.where(equal, self._same + 1, 0)
        self._newest[1:] = self._newest[:-1]
        self._newest[0] = token
        self._count += 1
        return float(np.any(self._same >= self._lags))


class TokenSignals:
    """The signals of each row of one generation, token after token.

    Parameters
    ----------
    names : sequence of {"entropy", "margin", "repetition", "sure_repetition", "cycle"}
        Names of the signals. A sure repetition is one in which the model is certain of what follows: −log of the
        entropy (of at least 0.01 nats) where that is above 0, and 0 where nothing is repeated.
    rows : int
        Size of the batch.
    idle : iterable of int, optional
        Tokens that end or pad a row.

    Attributes
    ----------
    count : int
        How many tokens of each row were taken in.
    idle : ndarray of bool of shape (rows,)
        Rows whose newest token ends or pads them, of which there is nothing to say.
    broken : ndarray of bool of shape (rows,)
        Rows whose newest logits are no numbers.

    Raises
    ------
    ews.errors.UnknownNameError
        If a signal is not known.

    Examples
    --------
    >>> import torch
    >>> time = TokenSignals(("entropy", "repetition"), rows=1)
    >>> time.take(torch.tensor([[7]]))
    >>> time.measure(torch.zeros(1, 8)).round(3)
    array([[2.079, 0.   ]])
    """

    def __init__(self, names: Iterable[str], *, rows: int, idle: Iterable[int] = ()) -> None:
        self.names = tuple(names)
        for name in self.names:
            if name not in TOKEN_SIGNALS:
                raise UnknownNameError("signals", name, TOKEN_SIGNALS)
        self.count = 0
        self.idle = np.zeros(rows, dtype=bool)
        self.broken = np.zeros(rows, dtype=bool)
        self._idle_tokens = frozenset(idle)
        self._reads_tokens = bool({"repetition", "sure_repetition"} & set(self.names))
        self._reads_cycles = "cycle" in self.names
        self._again = [Repetition() for _ in range(rows)]
        self._repeats = np.zeros(rows)
        self._cycles = [Cycle() for _ in range(rows)]
        self._turns = np.zeros(rows)

    def take(self, input_ids: Tensor) -> None:
        """Take in the tokens that the caller chose, shape (rows, 1)."""
        self.count += 1
        tokens = input_ids[:, -1].tolist()
        for row, token in enumerate(tokens):
            self.idle[row] = token in self._idle_tokens
            if self._reads_tokens:
                self._repeats[row] = self._again[row].take(token)
            if self._reads_cycles:
                self._turns[row] = self._cycles[row].take(token)

    def measure(self, logits: Tensor) -> FloatArray:
        """Signals of the newest token, given what it emits, shape (rows, vocabulary); of shape (rows, names)."""
        of_logits = logit_signals(logits)
        self.broken = np.isnan(of_logits[:, 0])
        sureness = np.maximum(-np.log(of_logits[:, 0] + _SURE), 0.0)
        columns = {
            "entropy": of_logits[:, 0],
            "margin": of_logits[:, 1],
            "repetition": self._repeats,
            "sure_repetition": self._repeats * sureness,
            "cycle": self._turns,
        }
        return np.stack([columns[name] for name in self.names], axis=1)
