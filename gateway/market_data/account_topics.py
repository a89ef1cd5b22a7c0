"""An account's own channels: orders, trades, both with positions, money, and notices. No message is ever left out."""

from typing import Any

from engine.codes import EventKind
from gateway.market_data.public_topics import Reader, Topic
from gateway.read_model import render, render_account
from gateway.read_model.projection import Projection
from gateway.wire.channels import Channel
from gateway.wire.currencies import settled_in
from gateway.wire.decimals import Contract
from gateway.wire.event_rows import Notice, Row
from gateway.wire.reasons import shown

_HKT_NS, _DAY_NS = 8 * 3600 * 10**9, 86_400 * 10**9


class UserTopic(Topic):
    """One of an account's own channels."""

    def __init__(self, channel: Channel, projection: Projection) -> None:
        super().__init__(channel, projection)
        self.orders: dict[int, bytes] = {}
        self.trades: list[bytes] = []
        self.slots: set[int] = set()

    def noticed(self, row: Row) -> None:
        """Take a notice about the account."""
        self.is_dirty = self.is_dirty or self.channel.kind == "user.portfolio"

    def wants(self, contract: Contract) -> bool:
        """Whether the channel is about this contract."""
        channel = self.channel
        if channel.contract_slot >= 0:
            return channel.contract_slot == contract.slot
        return settled_in(contract, channel.currency)

    def publish(self, data: bytes, mark_before: int = 0) -> None:
        frame = self.frame(data)
        for reader in self.readers:
            reader.stage(frame)

    def send_state(self, reader: Reader) -> None:
        data = self._portfolio() if self.channel.kind == "user.portfolio" else None
        if data is not None:
            reader.stage(self.frame(data))

    def _portfolio(self) -> bytes | None:
        """The account in the channel's currency; None for a currency without an account, whose channel says nothing.

        A client that subscribes to several currencies at once takes the first message as its answer, so that message
        must not be an empty account.
        """
        channel = self.channel
        for contract in self.projection.contracts():
            if settled_in(contract, channel.currency):
                view = self.projection.account(channel.account_slot)
                return render_account.account(contract.settlement, view, self.projection.contracts())
        return None

    def flush(self) -> None:
        self.is_dirty = False
        orders, trades, slots = self.orders, self.trades, self.slots
        self.orders, self.trades, self.slots = {}, [], set()
        kind = self.channel.kind
        if kind == "user.portfolio":
            portfolio = self._portfolio()
            if portfolio is not None:
                self.publish(portfolio)
        elif kind == "user.orders" and orders:
            changed = list(orders.values())
            self.publish(changed[0] if len(changed) == 1 else render.array(changed))
        elif kind == "user.trades" and trades:
            self.publish(render.array(trades))
        elif kind == "user.changes" and (orders or trades):
            self._flush_changes(orders, trades, slots)

    def _flush_changes(self, orders: dict[int, bytes], trades: list[bytes], slots: set[int]) -> None:
        account_slot = self.channel.account_slot
        for slot in sorted(slots):
            contract = self.projection.contract_at(slot)
            name = contract.json_name
            position = render.position(contract, self.projection.position(account_slot, slot))
            self.publish(
                render.changes(
                    contract,
                    [order for order in orders.values() if name in order],
                    [trade for trade in trades if name in trade],
                    [position] if any(name in trade for trade in trades) else [],
                )
            )


class NoticesTopic(UserTopic):
    """`user.notices`: what is about to lapse (60, 30, 7 and 1 days before), what has lapsed, and margin calls.

    Warnings follow the civil day in Hong Kong: each is sent once for each step that it reaches.
    """

    is_polled = True

    def __init__(self, channel: Channel, projection: Projection) -> None:
        super().__init__(channel, projection)
        self._gathered: list[bytes] = []
        self._warned: set[tuple[int, str, int]] = set()
        self._day = -1

    def send_state(self, reader: Reader) -> None:
        warnings = self.projection.warnings(self.channel.account_slot)
        if len(self.readers) == 1:
            self._warned = {(warning.reason, warning.last_day, warning.step) for warning in warnings}
            self._day = self._today()
        if warnings:
            rows = render.array(render.lapse_warning(warning, self.projection.now_ns) for warning in warnings)
            reader.stage(self.frame(rows))

    def _today(self) -> int:
        return (self.projection.now_ns + _HKT_NS) // _DAY_NS

    def noticed(self, row: Row) -> None:
        notice = Notice(*row)
        if notice.kind == EventKind.ELIGIBILITY_LAPSED:
            self._gathered.append(render.lapsed(self._contract(notice), shown(notice.reason), notice.time_ns))
        elif notice.kind == EventKind.MARGIN_CALL:
            call = render.margin_call(notice.code, notice.old_value, notice.new_value, notice.time_ns)
            self._gathered.append(call)
        elif notice.kind == EventKind.ACCOUNT_CHANGED:
            self._day = -1
        self.is_dirty = self.is_dirty or bool(self._gathered)

    def _contract(self, notice: Any) -> Contract | None:
        return self.projection.contract_at(notice.contract_slot) if notice.contract_slot >= 0 else None

    def flush(self) -> None:
        if self._day != self._today():
            self._day = self._today()
            for warning in self.projection.warnings(self.channel.account_slot):
                step = (warning.reason, warning.last_day, warning.step)
                if step not in self._warned:
                    self._warned.add(step)
                    self._gathered.append(render.lapse_warning(warning, self.projection.now_ns))
        self.is_dirty = False
        if self._gathered:
            gathered, self._gathered = self._gathered, []
            self.publish(render.array(gathered))


def make_user_topic(channel: Channel, projection: Projection) -> UserTopic:
    """The topic of one of an account's own channels."""
    return NoticesTopic(channel, projection) if channel.kind == "user.notices" else UserTopic(channel, projection)
