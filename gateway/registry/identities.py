"""Who a person is: the number of a document, of which only a hash under the venue's own key is kept.

Numbers of identity cards are few enough to try them all, so the hash has a key, which only the venue's account can
read. A document is one person's: a second person with it is refused, by whichever name. A person may have several, such
as a renewed passport.
"""

import hashlib
import re
import unicodedata

from gateway.registry.registry import Registry, RegistryError
from gateway.registry.vault import Vault

KINDS = ("passport", "identity_card", "travel_document")
_COUNTRY = re.compile(r"[A-Z]{2}")
_NUMBER = re.compile(r"[A-Z0-9]{4,24}")
_IGNORED = re.compile(r"[\s()./-]+")
_SEALED = re.compile(rf"({'|'.join(KINDS)}) [A-Z]{{2}} [0-9a-f]{{64}}")
_FORM = f"write KIND COUNTRY NUMBER such as `passport HK K1234567`; kinds are {', '.join(KINDS)}"


def sealed(text: str, vault: Vault) -> str:
    """An identity as it may be kept and shown: kind and country, and the keyed hash of the number.

    Capitals, spaces, brackets, dots, slashes and hyphens of the number do not count, so one document has one hash. The
    refusals never repeat the number.
    """
    kind, _, rest = text.strip().partition(" ")
    country, _, number = rest.strip().partition(" ")
    if kind not in KINDS:
        raise RegistryError(f"identity: its first word is no kind of document; {_FORM}")
    country = country.upper()
    if _COUNTRY.fullmatch(country) is None:
        raise RegistryError(f"identity: its second word is no country of two letters; {_FORM}")
    plain = _IGNORED.sub("", unicodedata.normalize("NFKC", number)).upper()
    if _NUMBER.fullmatch(plain) is None:
        raise RegistryError(f"identity: its number must have 4 to 24 letters (A to Z) and digits; {_FORM}")
    words = f"{kind} {country} {plain}".encode()
    return f"{kind} {country} {hashlib.blake2b(words, key=vault.identity_key, digest_size=32).hexdigest()}"


def is_sealed(text: str) -> bool:
    """Whether an identity is in the form in which it is kept and shown."""
    return _SEALED.fullmatch(text) is not None


def check(registry: Registry, person: int, identity: str) -> None:
    """Refuse an identity that was not sealed, or that is another person's already."""
    if not is_sealed(identity):
        raise RegistryError("identity: it was not sealed with the venue's key; only a keyed hash of it may be kept")
    found = registry.one("SELECT person FROM identities WHERE digest = ?", _digest(identity))
    if found and found[0] != person:
        raise RegistryError(
            f"identity: this document is bound to another person, {registry.person_name(found[0])!r}; one document is "
            "one person's: use that name, or look at the document again"
        )


def bind(registry: Registry, person: int, identity: str, change: int, now_ns: int) -> None:
    """Bind a person to an identity; once more is nothing new."""
    check(registry, person, identity)
    document = identity.rpartition(" ")[0]
    query = "INSERT OR IGNORE INTO identities (digest, document, person, change, bound_ns) VALUES (?, ?, ?, ?, ?)"
    registry.one(query, _digest(identity), document, person, change, now_ns)


def is_bound(registry: Registry, person: int, identity: str | None = None) -> bool:
    """Whether a person is bound to an identity, or to this one."""
    found = registry.all("SELECT digest FROM identities WHERE person = ?", person)
    return bool(found) if identity is None else (_digest(identity),) in found


def documents(registry: Registry, person: int) -> list[str]:
    """The kinds and countries of the documents that a person is bound to, oldest first."""
    rows = registry.all("SELECT document FROM identities WHERE person = ? ORDER BY bound_ns", person)
    return [document for (document,) in rows]


def _digest(identity: str) -> str:
    return identity.rpartition(" ")[2]
