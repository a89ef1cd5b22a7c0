"""Clients: a freeze, a kill switch and an exposure limit that hold for every account of one owner.

They stay on the client when accounts are closed, and a new account has them from the instant at which it is bound. An
account may have tighter ones of its own; its row keeps what the two come to, so whoever judges it reads one place.
"""

import numpy as np

from engine import cancel_queue, eligibility, events
from engine.codes import NIL, AccountAttribute, ClientAttribute, EventKind, Reason, Restriction
from engine.kernels import kernel
from engine.row_access import account_at, client_at, job_at, profile_at
from engine.schema import MAX_CLIENT_MEMBERS
from engine.units import INT64_MAX


@kernel
def put_in_force(s, account_slot):
    """What an account's own restriction, kill switch and exposure limit come to together with its client's."""
    account, values = account_at(s, account_slot), profile_at(s, account_slot).values
    own_micros = values[AccountAttribute.MAX_EXPOSURE_MICROS]
    account.restriction = values[AccountAttribute.RESTRICTION]
    account.killed = 1 if values[AccountAttribute.KILL_SWITCH] != 0 else 0
    account.max_exposure_micros = own_micros if own_micros != 0 else INT64_MAX
    client = values[AccountAttribute.CLIENT]
    if client == 0:
        return
    row = client_at(s, client)
    if row.frozen != 0:
        account.restriction = Restriction.FROZEN
    if row.killed != 0:
        account.killed = 1
    if row.max_exposure_micros != 0:
        account.max_exposure_micros = min(account.max_exposure_micros, row.max_exposure_micros)


@kernel
def _use(s, client):
    """Make the rows of all clients up to this one."""
    while s.clients_used <= client:
        client_at(s, s.clients_used).members_head = NIL
        s.clients_used += 1


# --- an account and its client ------------------------------------------------------------------------------------


@kernel
def binding_reason(s, account_slot, client):
    """Whether an account may be bound to a client: once, and never to another."""
    bound = profile_at(s, account_slot).values[AccountAttribute.CLIENT]
    if client < 1 or client >= s.clients_capacity or (bound != 0 and bound != client):
        return Reason.BAD_PARAMETER
    if bound == 0 and client < s.clients_used and client_at(s, client).members >= MAX_CLIENT_MEMBERS:
        return Reason.CAPACITY
    return Reason.NONE


@kernel
def bind(s, account_slot, client):
    """Make an account, whose profile names it already, one of a client's; `put_in_force` follows."""
    _use(s, client)
    row = client_at(s, client)
    if row.members == 0:
        row.members_head = account_slot
    else:
        account_at(s, row.members_tail).client_next_slot = account_slot
    row.members_tail = account_slot
    row.members += 1


# --- what is set on a client --------------------------------------------------------------------------------------


@kernel
def _reason(s, d):
    if d.index < 1 or d.index >= s.clients_capacity:
        return Reason.BAD_PARAMETER
    if d.code < ClientAttribute.FROZEN or d.code > ClientAttribute.MAX_EXPOSURE_MICROS or d.value < 0:
        return Reason.BAD_PARAMETER
    if d.code == ClientAttribute.MAX_EXPOSURE_MICROS:
        return Reason.NONE
    if d.value > 1:
        return Reason.BAD_PARAMETER
    return Reason.CAPACITY if d.value == 1 and not cancel_queue.has_room(s) else Reason.NONE


@kernel
def _swap(s, client, code, value):
    """Put in a value and return the one it replaces."""
    row = client_at(s, client)
    if code == ClientAttribute.FROZEN:
        old = np.int64(row.frozen)
        row.frozen = value
    elif code == ClientAttribute.KILL_SWITCH:
        old = np.int64(row.killed)
        row.killed = value
    else:
        old = np.int64(row.max_exposure_micros)
        row.max_exposure_micros = value
    return old


@kernel
def set_client(s, d):
    """Set one attribute of a client; it holds for all its accounts at once.

    A freeze cancels every order of them, a kill switch those that open; the count is on one MASS_CANCELLED.
    """
    reason = _reason(s, d)
    if reason != Reason.NONE:
        return events.refused(s, d, reason)
    client = np.int64(d.index)
    _use(s, client)
    row = events.directive_notice(s, EventKind.CLIENT_CHANGED, d)
    row.old_value = _swap(s, client, d.code, d.value)
    member = np.int64(client_at(s, client).members_head)
    while member != NIL:
        put_in_force(s, member)
        eligibility.set_gate(s, member)
        member = np.int64(account_at(s, member).client_next_slot)
    if d.code == ClientAttribute.FROZEN and d.value == 1:
        job_at(s, cancel_queue.add_for_client(s, client)).reason = Reason.SANCTIONS
    elif d.code == ClientAttribute.KILL_SWITCH and d.value == 1:
        job = job_at(s, cancel_queue.add_for_client(s, client))
        job.scope = cancel_queue.OPENING_ONLY
        job.reason = Reason.ACCOUNT_SUSPENDED
