"""An example call of every method for officers, and the small venue in which they are made."""

from typing import Any

from engine.codes import AccountAttribute, CommandKind, ContractParameter, InvestorClass
from gateway.document.sample_rows import BTC, NOW
from gateway.office.disclosures import Text, publish, sha256_of
from gateway.registry.registry import ContractRecord, Intent, KeyOrder, Registry
from gateway.wire.civil_dates import civil_date

_CLIENT = {"client": "sample", "reason": "the yearly review"}
_ACCOUNT = {"account": "sample", "reason": "the yearly review"}
_DOCUMENT = {"document_date": "2026-12-31", "document_hash": "5e" * 32}
_I = {"instrument_name": BTC.name, "reason": "the committee's decision of 14 January"}
_VENUE = {"reason": "the committee's decision of 14 January"}
_OWN = {
    "document": "custodian_statement", "date": "2026-12-31", "date_means": "issued", "hash": "5e" * 32,
    "asset": "securities", "amount": "1100000", "currency": "USD", "rate": "7.8", "rate_source": "HKMA",
    "rate_date": "2026-12-31",
}  # fmt: skip
_JOINT = {
    "document": "custodian_statement", "date": "2026-11-30", "date_means": "period_end", "hash": "5f" * 32,
    "asset": "money", "amount": "900000", "holding": "joint_with_others", "holders": 3,
}  # fmt: skip
_CHANGES: dict[str, dict[str, Any]] = {
    "record_evidence": {**_CLIENT, "investor": "individual", "items": [_OWN, _JOINT]},
    "record_ownership": {
        "client": "holding", **_DOCUMENT, "route": "wholly_owned", "document": "register_extract",
        "business_hash": "6f" * 32, "parties": [{"name": "Carol Ng", "investor": "individual", "percent": "100"}],
        "items": [{**_OWN, "party": "Carol Ng"}], "reason": "application 32",
    },
    "record_institution": {
        "client": "fund", "limb": "b", "register": "SFC public register", "number": "AAA001",
        "reason": "application 33",
        "documents": [
            {"proof": "register_check", "date": "2026-12-31", "hash": "7a" * 32},
            {"proof": "licence", "date": "2026-12-31", "hash": "7b" * 32},
        ],
    },
    "record_assessment": {
        "client": "holding", **_DOCUMENT, "structure": "a treasury of four with limits and a committee",
        "background": "J. Lau, 12 years of derivatives", "awareness": "interviewed on leverage and loss allocation",
        "scope": "virtual_asset_perpetuals", "markets": "this venue", "assessor": "Ann",
        "explained": "what no longer applies, and the right to withdraw", "consent_date": "2026-12-31",
        "consent_hash": "8c" * 32, "reason": "application 32",
    },
    "record_employment": {**_CLIENT, **_DOCUMENT, "is_employee": True, "is_permitted": True},
    "publish_disclosure": {
        "disclosure": "product", "version": 2, "text": "You may lose all of your margin.",
        "effective_from": "2027-02-01", "reason": "the committee's decision of 14 January",
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
    "record_jurisdiction": {
        **_CLIENT, **_DOCUMENT, "residence": "HK", "is_permitted": True, "document": "bank_statement",
    },
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
    "accept_clock": {"reason": "the machine was paused for an hour; its clock is right"},
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
    "venue/admin/preview_change": {
        "change": "set_contract_state",
        "params": {"instrument_name": BTC.name, "state": "halted", "reason": "the index is wrong"},
    },
    "venue/admin/list_parameters": {"instrument_name": BTC.name},
    "venue/admin/list_sessions": {},
    "venue/admin/end_session": {"session": 1, "reason": "it floods the venue"},
    "venue/admin/list_risks": {"count": 10},
    "venue/admin/list_forced_trades": {"count": 10},
    "venue/admin/explain_account": {"account": "sample"},
    "venue/admin/list_orders": {"account": "sample", "count": 1},
    "venue/admin/explain_order": {"number": 77},
    "venue/admin/list_clients": {"count": 1},
    "venue/admin/list_affiliates": {},
    "venue/admin/list_alerts": {"state": "all", "count": 10},
    "venue/admin/get_alert": {"number": 1},
    "venue/admin/review_alert": {"number": 1, "state": "dismissed", "note": "two desks, no common interest"},
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
    for name in ("holding", "fund"):
        registry.create_account(name, NOW)
    registry.set_attribute(1, AccountAttribute.INVESTOR_CLASS, InvestorClass.CORPORATE, NOW, "")
    text = "You may lose more than you have put up, but never more than your margin."
    first = Text("product", 1, sha256_of(text), civil_date(NOW), text)
    with registry.transaction():
        publish(registry, first, NOW)
    registry.set_attribute(0, AccountAttribute.GROUP, 7, NOW, "")
    person = registry.person("sample", NOW)
    registry.add_key(KeyOrder("lrsample00000000", 0, person, "ed25519", bytes(32), ["read"], "old"), NOW)
