"""The venue's own key file, with which it seals what it must read again.

The registry keeps the key's fingerprint: a file that is missing or another one is refused as long as anything depends
on it, because every HMAC key would fail, and no document of a person would be known again.
"""

import hashlib
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from engine import disk
from gateway.registry.errors import RegistryError
from gateway.registry.registry import Registry

KEY_BYTES = 32
_SEALED = """
SELECT EXISTS (SELECT 1 FROM keys WHERE kind = 'hmac') OR EXISTS (SELECT 1 FROM identities)
OR EXISTS (SELECT 1 FROM changes WHERE kind IN ('issue_key', 'bind_identity'))
"""
"""Whether the registry has anything that was made with the key: sealed secrets or hashes of documents."""
_REMEDY = "put back the vault.key of this data folder from a backup; see A lost vault.key in gateway/venue/README.md"


class Vault:
    """Seals secrets with a key file that only the operator's account can read; made for a venue that has no secrets."""

    def __init__(self, path: Path, registry: Registry) -> None:
        """RegistryError when the file is missing or not the one that this registry's secrets were sealed with."""
        self._path = path
        if not path.exists():
            if registry.one(_SEALED)[0]:
                raise RegistryError(f"{path}: it is missing, and the registry has secrets under it; {_REMEDY}")
            disk.make_folder(path.parent)
            disk.write_new(path, secrets.token_bytes(KEY_BYTES))
        self._key = path.read_bytes()
        if len(self._key) != KEY_BYTES:
            raise RegistryError(f"{path}: {len(self._key)} bytes are no vault key, which has {KEY_BYTES}; {_REMEDY}")
        self.token_key = self._derived(b"tokens")
        self.identity_key = self._derived(b"identities")
        self._check(registry)

    def _derived(self, purpose: bytes) -> bytes:
        return hashlib.blake2b(purpose, key=self._key, digest_size=32).digest()

    def _check(self, registry: Registry) -> None:
        """Compare the fingerprint; keep it when there is none yet, or nothing that depends on another one."""
        fingerprint = self._derived(b"fingerprint").hex()[:32]
        kept = registry.one("SELECT fingerprint FROM vault")
        if kept is not None and kept[0] == fingerprint:
            return
        if registry.one(_SEALED)[0] and (kept is not None or not self._opens_all(registry)):
            raise RegistryError(f"{self._path}: another key than the registry's secrets were sealed with; {_REMEDY}")
        with registry.transaction():
            registry.write("DELETE FROM vault")
            registry.write("INSERT INTO vault VALUES (?)", fingerprint)

    def _opens_all(self, registry: Registry) -> bool:
        """Whether the secrets of a registry without a fingerprint, of an earlier release, open."""
        try:
            for key_id, verifier in registry.all("SELECT id, verifier FROM keys WHERE kind = 'hmac'"):
                self.open(verifier, key_id)
        except RegistryError:
            return False
        return True

    def seal(self, secret: bytes, name: str) -> bytes:
        """The secret as it may be stored; bound to its name."""
        nonce = secrets.token_bytes(12)
        return nonce + ChaCha20Poly1305(self._key).encrypt(nonce, secret, name.encode())

    def open(self, sealed: bytes, name: str) -> bytes:
        """The secret again; raises RegistryError when the vault is not the one that sealed it."""
        try:
            return ChaCha20Poly1305(self._key).decrypt(sealed[:12], sealed[12:], name.encode())
        except InvalidTag:
            raise RegistryError(f"key {name}: sealed by another vault; restore the data folder's vault.key") from None
