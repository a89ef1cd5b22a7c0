"""Of the invariants, those about clients and their accounts; `invariants` calls them."""

import numpy as np

from engine.codes import NIL, AccountAttribute, Restriction
from engine.kernels import kernel
from engine.row_access import account_at, client_at, profile_at
from engine.units import INT64_MAX


@kernel
def is_in_force(s, slot):
    """Whether what an account's row has in force is the stricter of what is its own and what is its client's."""
    account, values = account_at(s, slot), profile_at(s, slot).values
    frozen, killed = (
        values[AccountAttribute.RESTRICTION] == Restriction.FROZEN,
        values[AccountAttribute.KILL_SWITCH] != 0,
    )
    most = values[AccountAttribute.MAX_EXPOSURE_MICROS]
    client = values[AccountAttribute.CLIENT]
    if client != 0:
        row = client_at(s, client)
        frozen, killed = frozen or row.frozen != 0, killed or row.killed != 0
        if most == 0 or 0 < row.max_exposure_micros < most:
            most = np.int64(row.max_exposure_micros)
    same = (account.restriction == Restriction.FROZEN) == frozen and (account.killed != 0) == killed
    if not frozen:
        same = same and account.restriction == values[AccountAttribute.RESTRICTION]
    return same and account.max_exposure_micros == (most if most != 0 else INT64_MAX)


@kernel
def has_its_members(s, client):
    """Whether the list of a client's accounts has all that are bound to it, and no other."""
    listed, bound = np.int64(0), np.int64(0)
    member = np.int64(client_at(s, client).members_head)
    while member != NIL:
        if profile_at(s, member).values[AccountAttribute.CLIENT] != client or listed == s.accounts_used:
            return False
        listed += 1
        member = np.int64(account_at(s, member).client_next_slot)
    for slot in range(s.accounts_used):
        bound += 1 if profile_at(s, slot).values[AccountAttribute.CLIENT] == client else 0
    return listed == bound == client_at(s, client).members
