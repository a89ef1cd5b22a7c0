"""Parameters of the methods that answer from records: settlements, payments, sub-accounts, keys, indices and marks."""

from typing import Literal

from msgspec import Struct

from gateway.wire.decimals import ABSENT, Number

SettlementType = Literal["settlement", "delivery", "bankruptcy"]


class _Page(Struct, kw_only=True, gc=False):
    type: SettlementType | None = None
    count: Number = ABSENT
    continuation: str | None = None
    search_start_timestamp: Number = ABSENT


class SettlementsInstrument(_Page, kw_only=True):
    instrument_name: str


class SettlementsCurrency(_Page, kw_only=True):
    currency: str


class LastTradesCurrency(Struct, kw_only=True, gc=False):
    currency: str
    kind: str | None = None
    start_id: str | None = None
    end_id: str | None = None
    start_timestamp: Number = ABSENT
    end_timestamp: Number = ABSENT
    count: Number = ABSENT
    sorting: Literal["asc", "desc", "default"] | None = None


class LastTradesCurrencyTime(Struct, kw_only=True, gc=False):
    currency: str
    start_timestamp: Number
    end_timestamp: Number = ABSENT
    kind: str | None = None
    count: Number = ABSENT
    sorting: Literal["asc", "desc", "default"] | None = None


class DeliveryPrices(Struct, kw_only=True, gc=False):
    index_name: str
    offset: Number = ABSENT
    count: Number = ABSENT


class IndexNames(Struct, kw_only=True, gc=False):
    extended: bool | None = None


class SupportedIndexNames(Struct, kw_only=True, gc=False):
    type: Literal["all", "spot", "derivative"] | None = None


class FundingChart(Struct, kw_only=True, gc=False):
    instrument_name: str
    length: Literal["8h", "24h", "1m"]


class MarkHistory(Struct, kw_only=True, gc=False):
    instrument_name: str
    start_timestamp: Number
    end_timestamp: Number


class TradeVolumes(Struct, kw_only=True, gc=False):
    extended: bool | None = None


class Subaccounts(Struct, kw_only=True, gc=False):
    with_portfolio: bool | None = None


class Movements(Struct, kw_only=True, gc=False):
    currency: str
    count: Number = ABSENT
    offset: Number = ABSENT


class Margins(Struct, kw_only=True, gc=False):
    instrument_name: str
    amount: Number
    price: Number


class OrdersByLabel(Struct, kw_only=True, gc=False):
    currency: str
    label: str | None = None


class OrderStateByLabel(Struct, kw_only=True, gc=False):
    currency: str
    label: str


class TriggerHistory(Struct, kw_only=True, gc=False):
    currency: str
    instrument_name: str | None = None
    count: Number = ABSENT
    continuation: str | None = None
