"""The texts of disclosures: published by officers with version, SHA-256 and first day; what contracts require of them.

A published version is never changed. Before officers are named a venue may require versions without a text, as the
demonstration does; from then on a contract may require only a text that is published and in force.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from engine.codes import CommandKind, ContractParameter
from gateway.registry.registry import Intent, Registry, RegistryError
from gateway.registry.required_attributes import DISCLOSURES

_PARAMETERS = {int(ContractParameter[attribute.name]): name for name, attribute in DISCLOSURES.items()}


@dataclass(frozen=True, slots=True)
class Text:
    """One published version; `effective_from` is the first civil day in Hong Kong on which it may be required."""

    disclosure: str
    version: int
    sha256: str
    effective_from: date
    text: str


def sha256_of(text: str) -> str:
    """The SHA-256 of a text's UTF-8 bytes, as `sha256sum` says it of the file."""
    return hashlib.sha256(text.encode()).hexdigest()


def texts(registry: Registry, disclosure: str | None = None) -> list[Text]:
    """The published texts, of one disclosure or all, oldest version first."""
    query = (
        "SELECT name, version, sha256, effective_from, text FROM disclosures WHERE ? IS NULL OR name = ? "
        "ORDER BY name, version"
    )
    return [
        Text(name, version, sha256, date.fromisoformat(first), text)
        for name, version, sha256, first, text in registry.all(query, disclosure, disclosure)
    ]


def text_of(registry: Registry, disclosure: str, version: int) -> Text | None:
    """One version's text, or None when it was never published."""
    return next((text for text in texts(registry, disclosure) if text.version == version), None)


def publish(registry: Registry, text: Text, now_ns: int) -> None:
    """Keep a text for good; runs inside the transaction of its decision."""
    registry.write(
        "INSERT INTO disclosures VALUES (?, ?, ?, ?, ?, ?)", text.disclosure, text.version, text.sha256,
        str(text.effective_from), text.text, now_ns,
    )  # fmt: skip


def required_version(registry: Registry, disclosure: str) -> int:
    """The highest version that a contract requires; 0 for none."""
    code = int(ContractParameter[DISCLOSURES[disclosure].name])
    found = [
        registry.known_value(Intent(CommandKind.CONTRACT_SET, code, contract_slot=record.slot))
        for record in registry.contracts()
    ]
    return max((version or 0 for version in found), default=0)


def check_required(registry: Registry, intents: Iterable[Intent], today: date) -> None:
    """Refuse directives by which a contract would require a text that clients cannot read today."""
    for intent in intents:
        name = _PARAMETERS.get(intent.code) if intent.kind == CommandKind.CONTRACT_SET else None
        if name is not None and intent.value > 0:
            _in_force(registry, name, intent.value, today)


def acknowledged_sha256(registry: Registry, disclosure: str, version: int, today: date) -> str:
    """The SHA-256 of the text that is acknowledged; empty where a venue without officers has published none."""
    text = _in_force(registry, disclosure, version, today)
    return text.sha256 if text else ""


def _in_force(registry: Registry, disclosure: str, version: int, today: date) -> Text | None:
    text = text_of(registry, disclosure, version)
    if text is None and registry.is_governed:
        why = f"{version} of the {disclosure} disclosure has no published text"
        raise RegistryError(f"version: {why}; lionrock admin publish-disclosure gives it one")
    if text is not None and text.effective_from > today:
        why = f"{version} of the {disclosure} disclosure is in force from {text.effective_from}"
        raise RegistryError(f"version: {why}; today is {today} in Hong Kong")
    return text
