"""What the messages of an account's own channels say of its facts: the same live and when they are told again."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from gateway.read_model import render
from gateway.wire.channels import Channel
from gateway.wire.currencies import ANY, settled_in
from gateway.wire.jsonrpc_answers import private_params
from gateway.wire.views import Projection, Report

FACTS: dict[str, frozenset[str]] = {
    "user.orders": frozenset({"order"}),
    "user.trades": frozenset({"trade"}),
    "user.changes": frozenset({"order", "trade"}),
    "user.notices": frozenset({"notice"}),
}
"""The channels that say facts, each once, and the kinds of reports that they are about."""


def wanted(channel: Channel, projection: Projection, reports: Sequence[Report]) -> list[Report]:
    """Those of an account's reports that a channel is about."""
    kinds = FACTS.get(channel.kind, frozenset())
    return [report for report in reports if report.kind in kinds and _is_about(channel, projection, report)]


def _is_about(channel: Channel, projection: Projection, report: Report) -> bool:
    if channel.contract_slot >= 0:
        return channel.contract_slot == report.contract_slot
    if report.contract_slot < 0:
        return channel.currency == ANY
    return settled_in(projection.contract_at(report.contract_slot), channel.currency)


def messages(channel: Channel, projection: Projection, reports: list[Report]) -> list[bytes]:
    """The data of the messages that say these reports, which are all of the channel. They belong together.

    A raw channel of orders says one order a message, any other an array. Changes come in a message for each contract,
    and a position that was traded is as it is now.
    """
    if channel.kind == "user.changes":
        return _changes(channel, projection, reports)
    data = [report.data for report in reports]
    return data if channel.kind == "user.orders" and channel.interval == "raw" else [render.array(data)]


def _changes(channel: Channel, projection: Projection, reports: list[Report]) -> list[bytes]:
    said = []
    for slot in sorted({report.contract_slot for report in reports}):
        contract = projection.contract_at(slot)
        own = [report for report in reports if report.contract_slot == slot]
        trades = [report.data for report in own if report.kind == "trade"]
        positions = [render.position(contract, projection.positions.one(channel.account_slot, slot))] if trades else []
        orders = [report.data for report in own if report.kind == "order"]
        said.append(render.changes(contract, orders, trades, positions))
    return said


def retold(channels: Sequence[Channel], projection: Projection, reports: Sequence[Report]) -> Iterator[bytes]:
    """The `params` of the messages with which channels say these reports, command by command."""
    for sequence, of_command in groupby(reports, attrgetter("sequence")):
        facts = list(of_command)
        for channel in channels:
            own = wanted(channel, projection, facts)
            said = messages(channel, projection, own) if own else []
            for place, data in enumerate(said, 1):
                yield private_params(channel.name, data, sequence, place < len(said))
