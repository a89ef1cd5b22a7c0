"""Institutional professional investors: the limbs of the definition in Schedule 1 to the SFO, and what proves each.

`professional_investors.md` says which limb was confirmed in which text, and that the proofs and the twelve months are
the venue's own.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

from gateway.office.professional_investor import OTHER_MONTHS, EvidenceError, in_date

Limb = Literal["a", "b", "c", "d", "e", "f", "g", "h", "i"]
Proof = Literal["register_check", "licence", "authorisation", "constitution", "ownership_extract"]


@dataclass(frozen=True, slots=True)
class LimbRule:
    """What a limb covers, and its proof: one document of each of `proofs`, and a number where something is granted."""

    covers: str
    proofs: tuple[frozenset[Proof], ...]
    has_number: bool = True


_REGISTER: frozenset[Proof] = frozenset({"register_check"})
_GRANT: frozenset[Proof] = frozenset({"licence", "authorisation"})
_FOUND: frozenset[Proof] = frozenset({"register_check", "authorisation"})
LIMBS: dict[str, LimbRule] = {
    "a": LimbRule("exchange, clearing house, exchange controller, automated trading services", (_REGISTER,)),
    "b": LimbRule("intermediary, or regulated provider of investment services elsewhere", (_REGISTER, _GRANT)),
    "c": LimbRule("authorized financial institution, or bank regulated elsewhere", (_REGISTER, _GRANT)),
    "d": LimbRule("authorized insurer, or insurer regulated elsewhere", (_REGISTER, _GRANT)),
    "e": LimbRule("collective investment scheme, or who operates one", (_FOUND, frozenset({"constitution"}))),
    "f": LimbRule("mandatory provident fund scheme, its trustee, provider or manager", (_REGISTER,)),
    "g": LimbRule("occupational retirement scheme, or its administrator", (_FOUND,)),
    "h": LimbRule("government, central bank, multilateral agency", (frozenset({"constitution"}),), has_number=False),
    "i": LimbRule(
        "wholly owned subsidiary or holding company of a company of limb b or c",
        (_REGISTER, frozenset({"ownership_extract"})),
    ),
}


def judge_limb(limb: str, proofs: Iterable[tuple[str, date]], today: date) -> date:
    """The last day through which all proofs count: twelve months from the oldest; refused when one is missing."""
    found = list(proofs)
    for wanted in LIMBS[limb].proofs:
        if not any(proof in wanted for proof, _ in found):
            told = " or ".join(sorted(wanted))
            raise EvidenceError(f"documents: limb {limb} ({LIMBS[limb].covers}) is proved by {told}; add it")
    return min(in_date(day, OTHER_MONTHS, today, f"document {n}, date") for n, (_, day) in enumerate(found, 1))


def check_register(limb: str, register: str | None, number: str | None, group_limb: str | None) -> None:
    """Refuse a limb without the register that was asked, without its number, or with what it does not have."""
    rule = LIMBS[limb]
    for field, value in (("register", register), ("number", number)):
        if rule.has_number and value is None:
            raise EvidenceError(f"{field}: it is missing; limb {limb} is {rule.covers}, found in a register by number")
        if not rule.has_number and value is not None:
            raise EvidenceError(f"{field}: limb {limb} is {rule.covers}, which no register lists; leave it out")
    if (limb == "i") != (group_limb is not None):
        raise EvidenceError("group_limb: say b or c for limb i, what the company of its group is, and only for limb i")
