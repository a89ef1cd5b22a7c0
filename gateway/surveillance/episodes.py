"""What a rule finds of the same accounts again and again is one alert that grows, not one for each window.

A state that stood already when the rules began, such as a large position, is found without an event of its own: its
evidence names no sequence.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.surveillance.activity import MOST_EVIDENCE, NS_PER_S, Alert, Evidence, Rows, evidence

MOST_EPISODES = 10_000
"""The most episodes that are open; of more, the one that was quiet for longest is closed."""
COUNTED = ("withdrawn_lots", "traded_lots", "orders", "trades", "times", "messages")
"""Ends of the names of figures that add up; of the others the largest stands."""
REST_S = 3600
"""How long a state must be over before it is filed again, as a share may cross its threshold back and forth."""


class Finding(NamedTuple):
    """What a rule has found in one step."""

    rule: str
    contract_slot: int
    accounts: tuple[int, ...]
    proof: Evidence
    time_ns: int
    lasts: bool = False
    """Whether it is a lasting state rather than an act: it is filed once while it lasts."""
    adds: bool = False
    """Whether its figures are of one act that no other finding counts, not of a window."""


def found(rule: str, contract: int, rows: Rows, time_ns: int, **figures: int) -> Finding:
    """A finding with its rows as evidence; the accounts are theirs."""
    accounts = tuple(sorted({*rows["account_slot"].tolist()}))
    return Finding(rule, contract, accounts, evidence(rows, **figures), time_ns)


@dataclass
class _Episode:
    rule: str
    contract_slot: int
    origin: tuple[int, ...]
    accounts: set[int]
    time_ns: int
    last_seq: int
    seqs: list[int] = field(default_factory=list)
    order_ids: list[int] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)


class Episodes:
    """The open episodes; `words` says in plain words what the figures of a rule mean."""

    def __init__(self, episode_s: int, words: Callable[[str, Mapping[str, int]], str]) -> None:
        self.episode_s = episode_s
        self._words = words
        self._open: dict[tuple[str, int], list[_Episode]] = {}

    @property
    def _episode_ns(self) -> int:
        return self.episode_s * NS_PER_S

    def take(self, findings: list[Finding]) -> list[Alert]:
        """The alerts that these findings begin, or make grow."""
        changed: dict[int, _Episode] = {}
        for finding in findings:
            episode = self._one(finding)
            if episode is not None:
                changed[id(episode)] = episode
        return [self._alert(episode) for episode in changed.values()]

    def _one(self, finding: Finding) -> _Episode | None:
        """The episode that a finding changes; None when there is nothing new in it."""
        key = finding.rule, finding.contract_slot
        rest_ns = max(self._episode_ns, REST_S * NS_PER_S) if finding.lasts else self._episode_ns
        episodes = [item for item in self._open.get(key, []) if finding.time_ns - item.time_ns <= rest_ns]
        self._open[key] = episodes
        for episode in episodes:
            if episode.accounts & {*finding.accounts}:
                episode.time_ns = finding.time_ns
                return None if finding.lasts or not self._grow(episode, finding) else episode
        origin = (min(finding.proof.seqs, default=finding.time_ns), *finding.accounts)
        fresh = _Episode(*key, origin, {*finding.accounts}, finding.time_ns, -1)
        self._grow(fresh, finding)
        episodes.append(fresh)
        self._bound()
        return fresh

    def _grow(self, episode: _Episode, finding: Finding) -> bool:
        """Add a finding; disjoint evidence adds up, of overlapping evidence the larger figures stand."""
        proof = finding.proof
        first_seq, last_seq = min(proof.seqs, default=0), max(proof.seqs, default=0)
        if last_seq <= episode.last_seq:
            return False
        adds = finding.adds or first_seq > episode.last_seq
        for name, value in proof.figures.items():
            old = episode.figures.get(name)
            if old is None:
                episode.figures[name] = value
            elif adds and name.endswith(COUNTED):
                episode.figures[name] = old + value
            else:
                episode.figures[name] = max(old, value, key=abs)
        episode.last_seq = last_seq
        episode.accounts |= {*finding.accounts}
        episode.seqs = sorted({*episode.seqs, *proof.seqs})[:MOST_EVIDENCE]
        episode.order_ids = sorted({*episode.order_ids, *proof.order_ids})[:MOST_EVIDENCE]
        return True

    def _alert(self, episode: _Episode) -> Alert:
        seqs = sorted({*episode.seqs, episode.last_seq} - {0})
        proof = Evidence(seqs, [*episode.order_ids], {**episode.figures})
        text, accounts = self._words(episode.rule, episode.figures), tuple(sorted(episode.accounts))
        return Alert(episode.rule, text, episode.time_ns, episode.contract_slot, accounts, proof, episode.origin)

    def _bound(self) -> None:
        if sum(map(len, self._open.values())) > MOST_EPISODES:
            key, oldest = min(
                ((key, item) for key, items in self._open.items() for item in items), key=lambda pair: pair[1].time_ns
            )
            self._open[key].remove(oldest)
