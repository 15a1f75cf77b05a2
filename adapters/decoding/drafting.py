"""How many tokens to draft: as many as pay, judged by what became of those before."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Drafting", "expected_gain"]

_HELD, _SEEN = 3.4, 4.0  # what is believed beforehand: 85 % hold, with the weight of four drafts
_KEEPS = 0.97  # weight of what was seen one draft ago
_REST, _LONGEST = 8, 128  # tokens decoded without drafts before one is tried again; doubled where it fails


def expected_gain(drafts: int, held: float, cost: float) -> float:
    """Tokens for the work of one, of a round with so many drafts.

    A round costs one pass of the full model, which reads its weights once for all drafts, and the drafts.

    Parameters
    ----------
    drafts : int
        How many there are.
    held : float
        Share of drafts that the full model would say too.
    cost : float
        Of one draft, in units of a token through the full model.

    Returns
    -------
    float
        Above 1 where it pays.

    References
    ----------
    Leviathan, Y. et al. (2023). Fast inference from transformers via speculative decoding. ICML, theorem 3.8.

    Examples
    --------
    >>> round(expected_gain(4, 0.8, 0.25), 2), round(expected_gain(4, 0.2, 0.5), 2), expected_gain(0, 0.2, 0.5)
    (1.68, 0.42, 1.0)
    """
    tokens = drafts + 1.0 if held >= 1 else (1 - held ** (drafts + 1)) / (1 - held)
    return tokens / (1 + drafts * cost)


class Drafting:
    """What became of the drafts of one generation, and what follows for the next.

    Parameters
    ----------
    most : int
        How many tokens are drafted at most before the full model checks.
    layers : int
        Layers of the model.
    head : float
        What its head costs, in units of a layer.
    """

    def __init__(self, most: int, layers: int, head: float) -> None:
        self.most = most
        self._whole, self._head = layers + head, head
        self._held, self._seen = _HELD, _SEEN
        self._costs, self._drafts = 0.0, 0
        self._checked, self._confirmed = 0, 0
        self._rest, self._resting = _REST, 0
        self._rounds, self._tokens, self._rested = 0, 0, 0

    @property
    def cost(self) -> float:
        """Of one draft, in units of a token through the full model; half of one until one was made."""
        return self._costs / self._drafts / self._whole if self._drafts else 0.5

    @property
    def share(self) -> float:
        """Share of drafts that is taken to hold."""
        return self._held / self._seen

    def begin_round(self) -> int:
        """How many tokens to draft now; none where that would not pay."""
        self._rounds += 1
        self._tokens += 1
        if self._resting:
            self._resting -= 1
            self._rested += 1
            return 0 if self._resting else 1  # at the end of a rest one is tried
        if not self._drafts:  # what a draft costs is not known yet
            return self.most
        best = max(range(self.most + 1), key=lambda drafts: expected_gain(drafts, self.share, self.cost))
        if not best:
            self._resting = self._rest
            self._rest = min(2 * self._rest, _LONGEST)
            self._rested += 1
        return best

    def drafted(self, depths: Iterable[int]) -> None:
        """Told how many layers each draft of a round ran."""
        for depth in depths:
            self._costs += depth + self._head
            self._drafts += 1

    def checked(self, *, held: bool) -> None:
        """Told whether the caller took a draft."""
        self._held, self._seen = _KEEPS * self._held + held, _KEEPS * self._seen + 1
        self._checked += 1
        self._confirmed += held
        self._tokens += held
        if held:
            self._rest = _REST

    @property
    def work(self) -> float:
        """Work for one token, in units of one without drafts; a pass counts once, however many tokens it checks."""
        return (self._rounds + self._drafts * self.cost) / max(self._tokens, 1)

    def events(self) -> list[str]:
        """What a report should say."""
        if not self._checked:
            return []
        so = f"{self._confirmed} of {self._checked} drafts held, each at {self.cost:.2f} of a token through all layers"
        found = [f"{self._rested} of {self._tokens} tokens were decoded without drafts: {so}"] if self._rested else []
        if self.work > 1:
            found.append(f"drafting did not pay, about {self.work:.2f} of the work without it: {so}")
        return found
