"""Surveillance joined to a running venue: what each batch did goes to it, and whom it stops is stopped in the log."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.codes import AccountAttribute, CommandKind
from gateway import clock
from gateway.registry.registry import BusyError, Intent
from gateway.surveillance.replayed import clients_of
from gateway.surveillance.service import Service
from gateway.surveillance.store import file_of
from gateway.venue.venue import Venue

_LOG = logging.getLogger("lionrock.surveillance")
NOTE = "execution throttle: too many executions; only an officer lifts it"


class ExecutionGuard:
    """Lives as long as the server. `in_loop` has a function called in the venue's own thread."""

    def __init__(self, venue: Venue, in_loop: Callable[..., Any]) -> None:
        self._venue = venue
        self._in_loop = in_loop
        self._accounts = 0
        self._waiting: set[int] = set()
        self.service = Service(
            venue.config.surveillance,
            file_of(Path(venue.config.data)),
            lambda: venue.engine.durable_seq,
            lambda account_slot: in_loop(self.stop_account, account_slot),
        )

    def start(self) -> None:
        """Begin with the venue's present state."""
        self._begin()
        if self.service.is_on:
            self._venue.sequencer.watch = self.service.offer

    def _begin(self) -> None:
        registry = self._venue.registry
        self._accounts = registry.next_account_slot()
        self.service.start(self._venue.engine.root[0], clients_of(registry))

    def tick(self) -> None:
        """Now and then: who is still to be stopped, whose accounts there are, and rules again where they have ended."""
        if self.service.is_due():
            self._begin()
        for account_slot in tuple(self._waiting):
            self.stop_account(account_slot)
        registry = self._venue.registry
        accounts = registry.next_account_slot()
        if accounts != self._accounts:
            self.service.add_clients(clients_of(registry, self._accounts))
            self._accounts = accounts

    def stop_account(self, account_slot: int) -> None:
        """Cancel an account's orders and set its kill switch, as the venue itself; nothing here ever lifts it."""
        venue, switch = self._venue, int(AccountAttribute.KILL_SWITCH)
        kind = CommandKind.ACCOUNT_SET
        intent = Intent(kind, switch, account_slot=account_slot, value=1, note=NOTE, sweeps=True)
        try:
            venue.registry.add_intents([intent], clock.wall_ns())
        except BusyError as busy:
            _LOG.warning("account %d is stopped as soon as possible: %s", account_slot, busy)
            self._waiting.add(account_slot)
            return
        self._waiting.discard(account_slot)
        venue.submit_intents()

    def close(self) -> None:
        """After the last batch."""
        self.service.close()
        self._venue.sequencer.watch = None
