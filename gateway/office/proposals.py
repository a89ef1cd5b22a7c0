"""Changes by officers: a change is done at once, or waits as a proposal for a second person.

Every change is kept with its number, actor, reason, times, approver and outcome. The directives of a change are
computed again when it is approved, so an old proposal never restores an old state. The same **person** cannot approve,
with any key, and a proposal is void when the key that made it was revoked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from engine.codes import Reason
from engine.units import INT64_MAX
from gateway.office import segregation
from gateway.office.changes import KINDS, Lookup, Plan
from gateway.office.directive_names import named
from gateway.office.effects import directives, effects
from gateway.office.four_eyes import needs_second_person
from gateway.office.frozen_clients import frozen_clients
from gateway.office.outcomes import Outcome, outcome_of
from gateway.office.remarks import Asked, remarks, used_elsewhere
from gateway.registry import identities
from gateway.registry.registry import Key, Registry, RegistryError, Result

_NOTHING: Mapping[int, Result] = {}
PROPOSAL_NS = 3 * 86_400 * 1_000_000_000
"""How long a proposal waits for a second person."""
_COLUMNS = (
    "number, kind, params, reason, actor, actor_key, created_ns, expires_ns, state, approver, approver_key, "
    "decided_ns, note"
)


@dataclass(frozen=True, slots=True)
class Change:
    """A change as kept; `state` is proposed, approved, rejected, expired or done (by one officer, at once)."""

    number: int
    kind: str
    params: dict[str, Any]
    reason: str
    actor: int
    actor_key: int
    created_ns: int
    expires_ns: int
    state: str
    approver: int
    approver_key: int
    decided_ns: int | None
    note: str


class Office:
    """Takes changes from officers, whose keys the caller has verified."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    # --- asking ---------------------------------------------------------------------------------------------------

    def submit(self, kind: str, params: Any, officer: Key, now_ns: int) -> Change:
        """Do a change if one officer may, or propose it; refused when it could not be done now."""
        self._check_officer(kind, officer)
        return self._submit(kind, params, (officer.person, officer.number), now_ns, is_own=False)

    def submit_own(self, kind: str, params: Any, client: Key, now_ns: int) -> Change:
        """Do what a client may do for itself without an officer: acknowledge, or tighten its own limits."""
        return self._submit(kind, params, (client.person, client.number), now_ns, is_own=True)

    def _submit(self, kind: str, params: Any, actor: tuple[int, int], now_ns: int, is_own: bool) -> Change:
        registry = self._registry
        with registry.transaction():
            plan, waits = self._planned(kind, params, actor[0], now_ns, is_own)
            text = msgspec.json.encode(params).decode()
            number = registry.insert_change(
                (kind, text, params.reason, *actor, now_ns, now_ns + PROPOSAL_NS, "proposed" if waits else "done")
            )
            if not waits:
                self._carry_out(plan, (actor[0], 0, number, actor[1]), now_ns)
            registry.vouch(number, now_ns)
        return self.change(number, now_ns)

    def _planned(self, kind: str, params: Any, actor: int, now_ns: int, is_own: bool) -> tuple[Plan, bool]:
        """The plan of a change as of now, and whether it waits for a second person."""
        plan = KINDS[kind].plan(Lookup(self._registry, now_ns), params)
        waits = not is_own and self._needs_second_person(plan)
        if waits:
            segregation.check_somebody_may(self._registry, plan.intents, actor, KINDS[kind].scope)
        return plan, waits

    def previewed(self, kind: str, params: Any, officer: Key, now_ns: int) -> tuple[Plan, dict[str, Any]]:
        """What a change would do if this officer asked for it now; refused as the change itself would be."""
        self._check_officer(kind, officer)
        plan, waits = self._planned(kind, params, officer.person, now_ns, is_own=False)
        given = msgspec.to_builtins(params)
        return plan, {
            "change": kind,
            "needs_second_person": waits,
            "effects": effects(plan),
            "directives": directives(self._registry, plan.intents),
            "remarks": remarks(self._registry, Asked(0, kind, given, True), now_ns),
            "frozen_clients": frozen_clients(self._registry, given),
        }

    def _needs_second_person(self, plan: Plan) -> bool:
        known = self._registry.known_value
        return plan.loosens or any(needs_second_person(intent, known(intent)) for intent in plan.intents)

    def _carry_out(self, plan: Plan, acting: tuple[int, int, int, int], now_ns: int) -> None:
        """Write the intents and records of a change; runs inside the transaction of its decision."""
        registry = self._registry
        with registry.acting(*acting):
            for write in plan.writes:
                write()
            registry.add_intents(plan.intents, now_ns)
            for record in plan.records:
                registry.add_record(record, acting[2], now_ns)

    # --- deciding -------------------------------------------------------------------------------------------------

    def approve(self, number: int, officer: Key, note: str, now_ns: int) -> Change:
        """Carry out a proposal, as a second person with the scope that it needs."""
        registry = self._registry
        with registry.transaction():
            change = self._open_proposal(number, officer, now_ns)
            if change.actor == officer.person:
                raise RegistryError(f"number: {number} was proposed by the same person; another must approve it")
            if not registry.is_live(change.actor_key):
                raise RegistryError(f"number: the key that proposed {number} was revoked; propose it again")
            self._check_identified(change, officer)
            kind = KINDS[change.kind]
            plan = kind.plan(Lookup(registry, now_ns), kind.of(change.params))
            segregation.check_pair(registry, plan.intents, change.actor, officer.person)
            registry.decide_change(number, "approved", officer, note, now_ns)
            self._carry_out(plan, (change.actor, officer.person, number, change.actor_key), now_ns)
            registry.vouch(number, now_ns)
        return self.change(number, now_ns)

    def _check_identified(self, change: Change, officer: Key) -> None:
        """Refuse two persons of whom one has no identity: they may be one. Only binding them is possible before."""
        registry = self._registry
        if change.kind == "bind_identity" or not registry.is_governed:
            return
        for person in (officer.person, change.actor):
            if not identities.is_bound(registry, person):
                name = registry.person_name(person)
                raise RegistryError(
                    f"number: {name} has no identity yet, so one person may stand on both sides of {change.number}; "
                    "first bind-identity, which two officers do"
                )

    def reject(self, number: int, officer: Key, note: str, now_ns: int) -> Change:
        """Reject a proposal; the person who proposed it may do that too."""
        with self._registry.transaction():
            self._open_proposal(number, officer, now_ns)
            self._registry.decide_change(number, "rejected", officer, note, now_ns)
            self._registry.vouch(number, now_ns)
        return self.change(number, now_ns)

    def _open_proposal(self, number: int, officer: Key, now_ns: int) -> Change:
        change = self.change(number, now_ns)
        if change.state != "proposed":
            raise RegistryError(f"number: change {number} is {change.state}; only a proposal can be decided")
        self._check_officer(change.kind, officer)
        return change

    def _check_officer(self, kind: str, officer: Key) -> None:
        scope = KINDS[kind].scope
        if scope not in officer.scopes:
            held = " ".join(sorted(officer.scopes))
            raise RegistryError(f"scope: {kind} needs the scope {scope}; the key has: {held}")
        if not self._registry.is_live(officer.number):
            raise RegistryError("scope: this key was revoked; use another")

    # --- reading --------------------------------------------------------------------------------------------------

    def change(self, number: int, now_ns: int) -> Change:
        """The change of this number."""
        row = self._registry.one(f"SELECT {_COLUMNS} FROM changes WHERE number = ?", number)
        if row is None:
            raise RegistryError(f"number: there is no change {number}; `lionrock admin list-changes` shows them")
        return _change(row, now_ns)

    def changes(self, state: str, count: int, now_ns: int, before: int = INT64_MAX) -> list[Change]:
        """The latest changes in a state, or in any, before a number, newest first."""
        by_state = {
            "all": "? < 9e18", "proposed": "state = 'proposed' AND expires_ns > ?",
            "refused": "number IN (SELECT change FROM intents WHERE reason > 0) AND ? < 9e18",
            "expired": "(state = 'expired' OR state = 'proposed' AND expires_ns <= ?)",
        }  # fmt: skip
        clause = by_state.get(state, f"state = '{state}' AND ? < 9e18")
        query = f"SELECT {_COLUMNS} FROM changes WHERE {clause} AND number < ? ORDER BY number DESC LIMIT ?"
        return [_change(row, now_ns) for row in self._registry.all(query, now_ns, before, count)]

    def outcome(self, change: int) -> Outcome:
        """What the log has made of a change's directives."""
        return outcome_of(self._registry.intents_of(change))

    def frozen_clients(self, change: Change) -> list[str]:
        """The clients that a change touches and that are frozen now."""
        return frozen_clients(self._registry, change.params)

    def remarks(self, change: Change, now_ns: int, is_listed: bool = False) -> list[str]:
        """What both officers should know of a change: documents in other files; outside a list, what it would prove."""
        asked = Asked(change.number, change.kind, change.params, change.state == "proposed")
        return (used_elsewhere if is_listed else remarks)(self._registry, asked, now_ns)

    def described(
        self, change: Change, now_ns: int, fresh: Mapping[int, Result] = _NOTHING, is_listed: bool = False
    ) -> dict[str, Any]:
        """A change for people and for the wire: names, times in ms, and the engine's answer to each directive.

        `fresh` has the results of directives that are not in the registry yet.
        """
        registry = self._registry
        directives = [
            (intent, fresh.get(intent.reference, known)) for intent, known in registry.intents_of(change.number)
        ]
        outcome = outcome_of(directives)
        results = [
            {
                "reference": intent.reference, **named(intent),
                "account_slot": intent.account_slot, "contract_slot": intent.contract_slot, "index": intent.item,
                "value": intent.value,
                "sequence": result.sequence, "refused": Reason(result.reason).name if result.reason else None,
            }
            for intent, result in directives
        ]  # fmt: skip
        return {
            "number": change.number,
            "change": change.kind,
            "state": change.state,
            "params": change.params,
            "reason": change.reason,
            "actor": change.actor,
            "actor_name": registry.person_name(change.actor),
            "created": change.created_ns // 1_000_000,
            "expires": change.expires_ns // 1_000_000 if change.state in ("proposed", "expired") else None,
            "approver": change.approver or None,
            "approver_name": registry.person_name(change.approver) or None,
            "decided": change.decided_ns // 1_000_000 if change.decided_ns else None,
            "note": change.note,
            "remarks": self.remarks(change, now_ns, is_listed),
            "frozen_clients": self.frozen_clients(change),
            "sequence": outcome.sequence,
            "orders_cancelled": outcome.orders_cancelled,
            "is_cancelling": outcome.is_cancelling,
            "directives": results,
        }


def _change(row: tuple[Any, ...], now_ns: int) -> Change:
    number, kind, params, *rest = row
    change = Change(number, kind, msgspec.json.decode(params), *rest)
    is_late = change.state == "proposed" and change.expires_ns <= now_ns
    return replace(change, state="expired") if is_late else change
