"""An example call of every method for officers, and the small venue in which they are made."""

from typing import Any

from engine.codes import AccountAttribute, CommandKind, ContractParameter
from gateway.document.sample_rows import BTC, NOW
from gateway.registry.registry import ContractRecord, Intent, KeyOrder, Registry

_CLIENT = {"client": "sample", "reason": "the yearly review"}
_ACCOUNT = {"account": "sample", "reason": "the yearly review"}
_DOCUMENT = {"document_date": "2026-12-31", "document_hash": "5e" * 32}
_I = {"instrument_name": BTC.name, "reason": "the committee's decision of 14 January"}
_VENUE = {"reason": "the committee's decision of 14 January"}
_CHANGES: dict[str, dict[str, Any]] = {
    "record_evidence": {
        **_CLIENT, **_DOCUMENT, "investor": "individual", "document": "custodian_statement", "amount": "1100000",
        "currency": "USD", "rate": "7.8",
    },
    "record_confirmation": {**_CLIENT, **_DOCUMENT},
    "open_account": {"account": "sample-bot", "client": "newcomer", "reason": "a new client"},
    "record_knowledge": {
        **_DOCUMENT, "subject": "derivatives", "person": "sample", "valid_through": "2027-12-31",
        "reason": "passed the assessment",
    },
    "record_agreement": {**_CLIENT, **_DOCUMENT, "version": "3"},
    "record_risk_profile": {**_CLIENT, **_DOCUMENT, "is_suitable": True},
    "record_disclosure": {**_CLIENT, **_DOCUMENT, "disclosure": "loss", "version": 1},
    "record_jurisdiction": {**_CLIENT, "residence": "HK", "is_permitted": True},
    "record_kyc": {**_CLIENT, **_DOCUMENT, "valid_through": "2027-12-31"},
    "record_screening": {**_CLIENT, **_DOCUMENT, "outcome": "clear", "valid_through": "2027-02-15"},
    "withdraw_status": {**_CLIENT},
    "restore_status": {**_CLIENT, **_DOCUMENT},
    "set_restriction": {**_ACCOUNT, "restriction": "reduce_only"},
    "set_limits": {**_ACCOUNT, "max_exposure": "250000", "max_leverage": 5},
    "set_affiliation": {**_CLIENT, "affiliation": "group_company"},
    "approve_affiliate": {
        **_ACCOUNT, "instrument_name": BTC.name, "valid_from": "2027-02-01", "valid_through": "2027-07-31",
        "responsible_officer": "Ann Lee", "information_barriers_hash": "5e" * 32,
    },
    "suspend_affiliate": {"client": "sample", "reason": "quotes beyond any measure"},
    "set_group": {**_ACCOUNT, "group": 7},
    "set_group_limit": {**_I, "group": 7, "max_amount": "250"},
    "set_maker_programme": {**_ACCOUNT, "programme": "tier-1"},
    "kill_switch": {"target": "account", "name": "sample", "is_on": True, "reason": "orders beyond any measure"},
    "issue_key": {
        "key": "lrsample00000001", "person": "sample", "account": "sample", "scopes": "read,trade", "kind": "ed25519",
        "verifier": "A" * 43 + "=", "reason": "a second machine",
    },
    "bind_identity": {"person": "sample", "identity": "passport HK K1234567", "reason": "a renewed passport"},
    "revoke_key": {"key": "lrsample00000000", "reason": "the machine was sold"},
    "record_deposit": {**_ACCOUNT, "amount": "100000"},
    "record_withdrawal": {**_ACCOUNT, "amount": "2500.50"},
    "fund_deposit": {**_VENUE, "amount": "1000000"},
    "list_contract": {**_VENUE, "base": "ETH"},
    "set_contract_parameter": {**_I, "parameter": "band_ppb", "value": 25_000_000},
    "set_index_sources": {
        **_I, "sources": "kraken:XBT/USD,okx:BTC-USDT,coinbase:BTC-USD", "weights": "1,1,1",
    },
    "stop_reducing": {"account": "sample", "reason": "nothing to stop any more"},
    "set_surveillance_threshold": {
        "threshold": "wash_trades", "value": 5, "reason": "three were too few for two desks",
    },
    "set_contract_state": {**_I, "state": "reduce_only"},
    "set_venue_parameter": {**_VENUE, "parameter": "collateral_haircut_ppb", "asset": "btc", "value": 650_000_000},
}  # fmt: skip
ADMIN_EXAMPLES: dict[str, dict[str, Any]] = {
    **{f"venue/admin/{name}": params for name, params in _CHANGES.items()},
    "venue/admin/list_changes": {"state": "proposed", "count": 2},
    "venue/admin/approve": {"number": 1, "note": "seen the statement"},
    "venue/admin/reject": {"number": 2, "note": "unsigned"},
    "venue/admin/get_change": {"number": 1},
    "venue/admin/list_lapses": {"days": 400},
    "venue/admin/get_client_record": {"client": "sample"},
}
"""Parameters of one call of each method, in an order in which two officers can make all calls."""


def set_up_sample(registry: Registry) -> None:
    """A contract with disclosures, a client in a self-trade group, a key to revoke."""
    codes = (
        ContractParameter.DISCLOSURE_PRODUCT,
        ContractParameter.DISCLOSURE_LOSS,
        ContractParameter.DISCLOSURE_AFFILIATE,
    )
    intents = [Intent(CommandKind.CONTRACT_SET, int(code), contract_slot=0, value=1) for code in codes]
    registry.add_contract(ContractRecord(0, BTC.name, "BTC", "USDC", "0.5", "0.0001", NOW), intents)
    registry.create_account("sample", NOW)
    registry.set_attribute(0, AccountAttribute.GROUP, 7, NOW, "")
    person = registry.person("sample", NOW)
    registry.add_key(KeyOrder("lrsample00000000", 0, person, "ed25519", bytes(32), ["read"], "old"), NOW)
