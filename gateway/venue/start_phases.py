"""How long each phase of a start takes, for whoever waits for it."""

from collections.abc import Mapping

from gateway import clock

_NS = 1e9
SHOWN_SECONDS = 0.05
"""A shorter phase is not worth a word to a person."""


class StartPhases:
    """Seconds by phase, in their order; each phase begins where the one before it ended."""

    def __init__(self, begun_ns: int | None = None) -> None:
        """`begun_ns` is when the first phase began, on the steady clock; now when it is not given."""
        self.seconds: dict[str, float] = {}
        self._since_ns = clock.steady_ns() if begun_ns is None else begun_ns

    def end(self, name: str, parts: Mapping[str, float] | None = None) -> None:
        """A phase ends now. `parts` are seconds within it that have names of their own; it has the rest."""
        now_ns, inner = clock.steady_ns(), parts or {}
        whole = (now_ns - self._since_ns) / _NS
        for part, seconds in {**inner, name: max(0.0, whole - sum(inner.values()))}.items():
            self.seconds[part] = self.seconds.get(part, 0.0) + seconds
        self._since_ns = now_ns

    @property
    def line(self) -> str:
        """All in one short line."""
        parts = [f"{name} {spent:.1f}" for name, spent in self.seconds.items() if spent >= SHOWN_SECONDS]
        return f"started in {sum(self.seconds.values()):.1f} s: {', '.join(parts)}"
