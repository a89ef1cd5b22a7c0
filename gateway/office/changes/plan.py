"""What all changes share: the plan of a change, and look-ups in the registry."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from engine.codes import AccountAttribute, ClientAttribute, CommandKind
from engine.units import INT64_MAX
from gateway.office.professional_investor import not_in_future, read_date
from gateway.registry.clients import open_accounts
from gateway.registry.registry import Account, ContractRecord, Intent, Record, Registry, RegistryError
from gateway.wire import civil_dates
from gateway.wire.decimals import Contract, Unit, parse_decimal, parse_micros
from gateway.wire.errors import Refusal

COINS = Unit(1, -8)


@dataclass
class Plan:
    """The plan of a change: intents for the log, entries of the client's file, and writes to the registry alone.

    `loosens` is for what no directive shows, such as a key; each directive is also judged by itself.
    """

    intents: list[Intent] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    writes: list[Callable[[], object]] = field(default_factory=list)
    loosens: bool = False


class Lookup:
    """The registry as a change reads it, at one instant."""

    def __init__(self, registry: Registry, now_ns: int) -> None:
        self.registry = registry
        self.now_ns = now_ns
        self.today: date = civil_dates.civil_date(now_ns)

    def account(self, name: str) -> Account:
        """The account of this name."""
        return self.registry.account(name)

    def accounts_of(self, client: str) -> list[Account]:
        """A client's accounts that are not closed; refused when there is no such client."""
        self.registry.client_id(client)
        return open_accounts(self.registry, client)

    def held_accounts(self, client: str) -> list[Account]:
        """A client's accounts that are not closed, of which there must be one: nothing is in force without."""
        accounts = self.accounts_of(client)
        if not accounts:
            raise RegistryError(f"client: {client!r} has no open account; lionrock admin open-account opens one first")
        return accounts

    def chosen(self, account: str | None, client: str | None) -> list[Account]:
        """One account, or every account of a client that is not closed, whichever of the two is named."""
        if (account is None) == (client is None):
            raise RegistryError("account: give account or client, one of them")
        if account is not None:
            return [self.account(account)]
        return self.accounts_of(client or "")

    def set_all(self, accounts: Iterable[Account], values: Mapping[AccountAttribute, int]) -> list[Intent]:
        """Intents that set these attributes on each of these accounts."""
        return [
            set_attribute(account.slot, attribute, value)
            for account in accounts
            for attribute, value in values.items()
        ]

    def contract(self, name: str) -> Contract:
        """The contract of this name, with its units."""
        known = self.registry.contracts()
        for record in known:
            if record.name == name:
                return contract_of(record)
        names = ", ".join(record.name for record in known) or "none yet"
        raise RegistryError(f"instrument_name: no contract {name[:64]!r}; there are: {names}")

    def document_day(self, text: str) -> date:
        """A document's date, which is not in the future."""
        return not_in_future(read_date(text, "document_date"), self.today, "document_date")

    def last_day(self, text: str, field_name: str = "valid_through") -> date:
        """The last day of something, which is not past."""
        day = read_date(text, field_name)
        if day < self.today:
            raise RegistryError(f"{field_name}: {day} is past; today is {self.today} in Hong Kong")
        return day


def contract_of(record: ContractRecord) -> Contract:
    """A contract with its units, from its registry record."""
    tick, lot = Unit.parse(record.tick), Unit.parse(record.lot)
    return Contract(record.slot, record.name, record.base, record.settlement, tick, lot)


def set_attribute(account_slot: int, attribute: AccountAttribute, value: int) -> Intent:
    """An intent that sets one attribute of one account."""
    return Intent(CommandKind.ACCOUNT_SET, int(attribute), account_slot, value=value)


def set_client(client_id: int, attribute: ClientAttribute, value: int) -> Intent:
    """An intent that sets one attribute of a client; the engine cancels what a freeze or a kill switch ends."""
    sweeps = value != 0 and attribute != ClientAttribute.MAX_EXPOSURE_MICROS
    return Intent(CommandKind.CLIENT_SET, int(attribute), item=client_id, value=value, sweeps=sweeps)


def micros(text: str, field_name: str, least: int = 1) -> int:
    """An amount of the settlement currency in micros."""
    try:
        amount = parse_micros(text.encode("ascii", "replace"), field_name)
    except Refusal as refusal:
        raise RegistryError(str(refusal)) from None
    if amount < least:
        raise RegistryError(f"{field_name}: {text} must be more than 0")
    return amount


def units_of(text: str, field_name: str, unit: Unit, what: str) -> int:
    """An amount in whole units, such as lots of a contract or 1e-8 of a coin."""
    try:
        units = unit.count(parse_decimal(text.encode("ascii", "replace"), field_name))
    except Refusal as refusal:
        raise RegistryError(str(refusal)) from None
    if units is None:
        raise RegistryError(f"{field_name}: {text} is not a whole number of {what}")
    if units > INT64_MAX:
        raise RegistryError(f"{field_name}: {text} is more than can be counted, {unit.text(INT64_MAX)}")
    return units
