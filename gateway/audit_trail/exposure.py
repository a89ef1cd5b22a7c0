"""Worst cases of an account's other contracts and of its group's and client's other accounts: figures for row 19."""

from collections.abc import Iterator
from typing import Any

from engine.codes import NIL, AccountAttribute
from engine.statements import position_slots

SUBTICKS = 1000
INT64_MAX = (1 << 63) - 1


def limit_figures(state: Any, account_slot: int, contract_slot: int) -> dict[str, int]:
    """The figures of limits that are set; most accounts have no group limit and no exposure limit."""
    account, found = state["accounts"][account_slot], {}
    limit = _group_limit_lots(state, int(account["group"]), contract_slot)
    if limit:
        found = {"group_max_lots": limit, "group_others_lots": _others_lots(state, account_slot, contract_slot)}
    if own_limit_micros(state, account_slot) != INT64_MAX:
        found["account_others_exposure_micros"] = _others_micros(state, account_slot, contract_slot)
    client = _client_of(state, account_slot)
    if client and int(state["clients"][client]["max_exposure_micros"]):
        found["client_max_exposure_micros"] = int(state["clients"][client]["max_exposure_micros"])
        siblings = (slot for slot in _members(state, client) if slot != account_slot)
        others = _others_micros(state, account_slot, contract_slot)
        found["client_others_exposure_micros"] = others + sum(_others_micros(state, slot, NIL) for slot in siblings)
    return found


def own_limit_micros(state: Any, account_slot: int) -> int:
    """The exposure limit of an account itself, INT64_MAX for none; its client may have a tighter one."""
    return int(state["profiles"][account_slot]["values"][AccountAttribute.MAX_EXPOSURE_MICROS]) or INT64_MAX


def client_figures(state: Any, account_slot: int) -> dict[str, int]:
    """What holds for the client of an account, if it is a client's."""
    client = _client_of(state, account_slot)
    if not client:
        return {}
    row = state["clients"][client]
    return {"client_frozen": int(row["frozen"]), "client_kill_switch": int(row["killed"])}


def _client_of(state: Any, account_slot: int) -> int:
    return int(state["profiles"][account_slot]["values"][AccountAttribute.CLIENT])


def _members(state: Any, client: int) -> Iterator[int]:
    member = int(state["clients"][client]["members_head"])
    while member != NIL:
        yield member
        member = int(state["accounts"][member]["client_next_slot"])


def approval_figures(state: Any, account_slot: int, contract_slot: int) -> dict[str, int]:
    """An affiliate's approval for a contract, if it ever had one."""
    for row in state["approvals"][: int(state["approvals_used"])]:
        if int(row["account_slot"]) == account_slot and int(row["contract_slot"]) == contract_slot:
            return {"affiliate_from_ns": int(row["from_ns"]), "affiliate_until_ns": int(row["until_ns"])}
    return {}


def _worst_lots(row: Any) -> int:
    """The largest size that a position can reach on either side when the open orders of that side fill."""
    size = int(row["size_lots"])
    return max(max(size, 0) + int(row["buy_lots"]), max(-size, 0) + int(row["sell_lots"]))


def _group_limit_lots(state: Any, group: int, contract_slot: int) -> int:
    place = int(state["groups"][group]["limits_head"]) if group else NIL
    while place != NIL:
        limit = state["group_limits"][place]
        if int(limit["contract_slot"]) == contract_slot:
            return int(limit["max_lots"])
        place = int(limit["next_place"])
    return 0


def _others_lots(state: Any, account_slot: int, contract_slot: int) -> int:
    """The sum of the worst cases of the group's other accounts in this contract."""
    total, member = 0, int(state["groups"][int(state["accounts"][account_slot]["group"])]["members_head"])
    while member != NIL:
        if member != account_slot:
            rows = (state["positions"][slot] for slot in position_slots([state], member))
            total += sum(_worst_lots(row) for row in rows if int(row["contract_slot"]) == contract_slot)
        member = int(state["accounts"][member]["group_next_slot"])
    return total


def _others_micros(state: Any, account_slot: int, contract_slot: int) -> int:
    """The sum of the worst cases of an account's contracts but one (NIL: of all), valued at their marks."""
    total = 0
    for slot in position_slots([state], account_slot):
        row = state["positions"][slot]
        if int(row["contract_slot"]) != contract_slot:
            contract = state["contracts"][int(row["contract_slot"])]
            value = int(contract["mark_subticks"]) * abs(_worst_lots(row)) * int(contract["micros_per_tick_lot"])
            total += -(-value // SUBTICKS)
    return total
