"""What officers ask over the protocol, and what clients may do to their own standing.

Each change has a method of its own name. One that loosens anything is answered as a proposal, for another person's
`venue/admin/approve`; one that tightens is answered when the log has it.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import structs

from engine.codes import NIL, AccountAttribute, Reason
from engine.units import INT64_MAX
from gateway.office import disclosures
from gateway.office import officer_params as m
from gateway.office.changes import KINDS
from gateway.office.client_records import client_file
from gateway.office.lapse_list import BEGINNING, Place, lapse_rows
from gateway.office.proposals import Change, Office
from gateway.read_model.admission_view import PERSONAL
from gateway.registry.identities import sealed
from gateway.registry.registry import BusyError, Key, RegistryError
from gateway.registry.required_attributes import DISCLOSURES
from gateway.sessions import slices
from gateway.sessions.methods.common import place_of
from gateway.sessions.slices import Slices
from gateway.sessions.state import Call, SessionState
from gateway.wire.civil_dates import civil_date
from gateway.wire.errors import ErrorCode, Explanation, Refusal, bad_param, refusal_of
from gateway.wire.jsonrpc_answers import encode, exactly
from gateway.wire.log_lines import event
from gateway.wire.reasons import REASONS

_LOG = logging.getLogger("lionrock.office")
PREFIX = "venue/admin/"


@contextmanager
def refusable() -> Iterator[None]:
    """What the registry refuses is an answer: "field: why" names the parameter."""
    try:
        yield
    except BusyError as busy:
        raise Refusal(ErrorCode.RETRY, str(busy)) from None
    except (RegistryError, ValueError) as error:
        field, found, why = str(error).partition(": ")
        code = ErrorCode.FORBIDDEN if field == "scope" else ErrorCode.INVALID_ARGUMENTS
        raise Refusal(code, why if found else field, field if found else "") from None


def key_of(session: SessionState) -> Key:
    """The key that is logged in."""
    if session.key is None:
        raise Refusal(ErrorCode.UNAUTHORIZED, "this method needs a login; call public/auth first")
    return session.key


def _office(call: Call) -> Office:
    return Office(call.context.registry)


def _answer(call: Call, change: Change) -> bytes:
    """The change as it is now, with what the engine has made of it if it is done."""
    if call.context.is_venue:
        _log(call, change)
    fresh = call.context.sequence_changes() if change.state in ("done", "approved") else {}
    if change.kind == "revoke_key" and change.state == "done":
        call.context.ended_keys.add(change.params["key"])
    return encode(exactly(_office(call).described(change, call.now_ns, fresh)))


def _log(call: Call, change: Change) -> None:
    """Tell who changed what; of the words of a change nothing."""
    key = key_of(call.session)
    told = event(
        "officers_change", change=change.number, kind=change.kind, state=change.state, connection=call.session.number,
        key=key.number, person=key.person,
    )  # fmt: skip
    _LOG.info("change %d, %s: %s", change.number, change.kind, change.state, extra=told)


def sealed_params(params: m.ChangeParams, call: Call) -> m.ChangeParams:
    """The parameters with a keyed hash in place of a document's number."""
    if isinstance(params, m.IssueKey | m.BindIdentity) and params.identity is not None:
        return structs.replace(params, identity=sealed(params.identity, call.context.authenticator.vault))
    return params


def _change_handler(kind: str) -> Callable[..., bytes]:
    def ask(session: SessionState, params: m.ChangeParams, call: Call) -> bytes:
        if isinstance(params, m.IssueKey) and params.kind != "ed25519":
            raise bad_param("kind", "only the host can seal an hmac secret: lionrock key create; or give a public key")
        with refusable():
            params = sealed_params(params, call)
            change = _office(call).submit(kind, params, key_of(session), call.now_ns)
        return _answer(call, change)

    ask.__doc__ = KINDS[kind].summary
    return ask


def approve(session: SessionState, params: m.Decide, call: Call) -> bytes:
    """Carry out a proposal, as another person than who made it."""
    with refusable():
        change = _office(call).approve(params.number, key_of(session), params.note, call.now_ns)
    return _answer(call, change)


def reject(session: SessionState, params: m.Decide, call: Call) -> bytes:
    """End a proposal."""
    with refusable():
        change = _office(call).reject(params.number, key_of(session), params.note, call.now_ns)
    return _answer(call, change)


def list_changes(session: SessionState, params: m.ListChanges, call: Call) -> Slices:
    """A page of the changes in a state, newest first."""
    office, now_ns = _office(call), call.now_ns
    [before] = place_of(params.continuation, 1) or [INT64_MAX]
    found = office.changes(params.state, params.count + 1, now_ns, before)
    shown = found[: params.count]
    rows = (encode(exactly(office.described(change, now_ns, is_listed=True))) for change in shown)
    return slices.page("changes", rows, lambda: str(shown[-1].number) if len(found) > len(shown) else None)


def get_change(session: SessionState, params: m.GetChange, call: Call) -> bytes:
    """One change, and what the engine made of its directives."""
    with refusable():
        return encode(exactly(_office(call).described(_office(call).change(params.number, call.now_ns), call.now_ns)))


def get_client_record(session: SessionState, params: m.GetClientRecord, call: Call) -> bytes:
    """A client's file."""
    with refusable():
        return encode(client_file(call.context.registry, params.client, call.now_ns))


def list_lapses(session: SessionState, params: m.ListLapses, call: Call) -> Slices:
    """A page of what lapses soon, or has lapsed, by its last day."""
    place = place_of(params.continuation, len(BEGINNING))
    after = Place(*place) if place else BEGINNING
    shown: list[Place] = []
    has_more = False

    def rows() -> Iterator[bytes]:
        nonlocal has_more
        for found in lapse_rows(call.context.registry, params.days, call.now_ns, after, params.count + 1):
            if found is None:
                yield b""
            elif len(shown) == params.count:
                has_more = True
            else:
                place, lapse = found
                shown.append(place)
                yield encode(lapse)

    return slices.page("lapses", rows(), lambda: ".".join(map(str, shown[-1])) if has_more else None)


# --- clients ------------------------------------------------------------------------------------------------------


def acknowledge_disclosure(session: SessionState, params: m.AcknowledgeDisclosure, call: Call) -> bytes:
    """The client has read a disclosure in the version that a contract requires now."""
    registry, key = call.context.registry, key_of(session)
    _check_person(session, call)
    wanted = disclosures.required_version(registry, params.disclosure)
    if params.version != wanted:
        raise bad_param("version", f"{params.version} is not the version in force, which is {wanted}")
    with refusable():
        sha256 = disclosures.acknowledged_sha256(registry, params.disclosure, wanted, civil_date(call.now_ns))
    if params.hash is not None and params.hash != sha256:
        raise bad_param("hash", f"version {wanted} has the SHA-256 {sha256 or 'of no text: none is published'}")
    if registry.attribute(key.account_slot, DISCLOSURES[params.disclosure]) == wanted:
        return _nothing_new("record_disclosure", hash=sha256 or None)
    change = m.RecordDisclosure(
        client=registry.client_of(key.account_slot), disclosure=params.disclosure, version=params.version,
        document_date=str(civil_date(call.now_ns)), document_hash="", reason="acknowledged by the client itself",
    )  # fmt: skip
    return _own(call, "record_disclosure", change, key, hash=sha256 or None)


def _check_person(session: SessionState, call: Call) -> None:
    """Only a person who may open risk changes the client's standing: the ladder's row about the person decides.

    The client's own rows do not: a disclosure is acknowledged before an account may open at all, and a client whose
    evidence has lapsed may still give up the status.
    """
    rules = call.projection.admission(session.account_slot, NIL, session.signer.person)
    unmet = next((rule for rule in rules if rule.reason in PERSONAL and not rule.is_met), None)
    if unmet is None:
        return
    reason = Reason(unmet.reason)
    meaning, remedy = REASONS[reason]
    fault = f"{meaning.rstrip('.')}: {unmet.detail}; only a person who may open risk changes the client's standing"
    raise refusal_of(reason, Explanation("person", unmet.detail, "in date", fault, remedy[:1].lower() + remedy[1:]))


def get_disclosures(session: SessionState, params: m.GetDisclosures, call: Call) -> bytes:
    """The published texts of disclosures from the version that contracts require on, and which version that is."""
    registry = call.context.registry
    required = {name: disclosures.required_version(registry, name) for name in DISCLOSURES}
    found = [
        {
            "disclosure": text.disclosure,
            "version": text.version,
            "is_required": text.version == required[text.disclosure],
            "effective_from": str(text.effective_from),
            "hash": text.sha256,
            "text": text.text,
        }
        for text in disclosures.texts(registry, params.disclosure)
        if text.version >= required[text.disclosure]
    ]
    return encode(found)


def withdraw_status(session: SessionState, params: m.WithdrawOwnStatus, call: Call) -> bytes:
    """The client gives up the status of a professional investor: no new risk from this moment."""
    if not params.confirm:
        raise bad_param("confirm", "say true: opening orders are cancelled, and only the venue can restore the status")
    key, registry = key_of(session), call.context.registry
    _check_person(session, call)
    if registry.attribute(key.account_slot, AccountAttribute.PI_WITHDRAWN):
        return _nothing_new("withdraw_status")
    client = registry.client_of(key.account_slot)
    return _own(call, "withdraw_status", m.WithdrawStatus(client=client, reason="by the client itself"), key)


def _nothing_new(kind: str, **more: str | None) -> bytes:
    """It is so already: nothing is written, however often a client asks."""
    return encode({"number": None, "change": kind, "state": "done", **more})


def _own(call: Call, kind: str, params: m.ChangeParams, key: Key, **more: str | None) -> bytes:
    with refusable():
        change = _office(call).submit_own(kind, params, key, call.now_ns)
    call.context.sequence_changes()
    return encode({"number": change.number, "change": kind, "state": change.state, **more})


QUESTIONS = frozenset(PREFIX + name for name in ("list_changes", "get_change", "list_lapses", "get_client_record"))
HANDLERS: dict[str, Callable[..., Any]] = {
    **{PREFIX + kind: _change_handler(kind) for kind in KINDS},
    PREFIX + "approve": approve,
    PREFIX + "reject": reject,
    PREFIX + "list_changes": list_changes,
    PREFIX + "get_change": get_change,
    PREFIX + "list_lapses": list_lapses,
    PREFIX + "get_client_record": get_client_record,
    "venue/get_disclosures": get_disclosures,
    "venue/acknowledge_disclosure": acknowledge_disclosure,
    "venue/withdraw_professional_status": withdraw_status,
}
