"""Who is calling: keys, logins, tokens and signed HTTP requests.

At rest there is only what verification needs: an Ed25519 public key, or an HMAC secret sealed with the venue's own
key file. A signature is accepted once, be it a login's or a request's: it is remembered, over restarts, while it could
be replayed. That of a request that changes nothing may come again for some seconds. All comparisons take the same time
whatever differs.
"""

import base64
import hashlib
import hmac
import re
import secrets
import struct
from dataclasses import dataclass
from typing import Any, Literal

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.registry.login_scope import check_scope
from gateway.registry.registry import BusyError, Key, Registry, RegistryError
from gateway.registry.vault import Vault
from gateway.wire.decimals import ABSENT, Number, given, parse_integer
from gateway.wire.errors import ErrorCode, Refusal, bad_param

WINDOW_NS = 60_000_000_000
REPEAT_NS = 5_000_000_000
"""So near to a signature's time a call that changes nothing may come again with it."""
"""How far a signature's time may be from the venue's."""
ACCESS_S = 3600
REFRESH_S = 7 * 24 * 3600
MAX_TOKEN_CHARS = 4096
_FAMILY_BYTES = 12
_TOKEN = struct.Struct(f"<BQ{_FAMILY_BYTES}s")
_HEADER = re.compile(r"deri-hmac-sha256 +(.*)", re.IGNORECASE)


class AuthParams(msgspec.Struct, kw_only=True, gc=False):
    """How a client logs in; what each kind of grant needs is checked by `Authenticator.login`."""

    grant_type: Literal["client_credentials", "client_signature", "coinbase_cdp", "refresh_token"]
    client_id: str | None = None
    client_secret: str | None = None
    timestamp: Number = ABSENT
    nonce: str | None = None
    data: str | None = None
    signature: str | None = None
    token: str | None = None
    refresh_token: str | None = None
    scope: str | None = None


# --- keys ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: the secret is shown once and not kept."""

    id: str
    secret: str
    verifier: bytes


def new_key_id() -> str:
    """A key's id: 16 characters, so that no client takes it for another venue's 8."""
    return "lr" + base64.b32encode(secrets.token_bytes(9)).decode().lower()[:14]


def new_hmac_key(vault: Vault) -> NewKey:
    """An HMAC key: its secret is 64 hexadecimal characters."""
    key_id, secret = new_key_id(), secrets.token_hex(32)
    return NewKey(key_id, secret, vault.seal(secret.encode(), key_id))


def new_ed25519_key() -> NewKey:
    """An Ed25519 key: its secret is the 32-byte seed and the public key, 64 bytes in base64."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    return NewKey(new_key_id(), base64.b64encode(private.private_bytes_raw() + public).decode(), public)


def imported_ed25519_key(public_text: str) -> NewKey:
    """A key whose secret the venue never sees, from its public key: 32 bytes in base64."""
    try:
        public = base64.b64decode(public_text, validate=True)
    except ValueError:
        public = b""
    if len(public) != 32:
        raise RegistryError("public-key: must be the 32 bytes of an Ed25519 public key in base64 (44 characters)")
    return NewKey(new_key_id(), "", public)


def prove(registry: Registry, vault: Vault, key_id: str, secret: str) -> Key:
    """The live key that this secret belongs to; a refusal says no more than that it does not."""
    key = registry.key(key_id)
    if key is None or key.revoked_ns is not None or not _is_secret(key, vault, secret):
        raise RegistryError("--as: the key is unknown or revoked, or the secret is not its own")
    return key


def _is_secret(key: Key, vault: Vault, secret: str) -> bool:
    if key.kind == "hmac":
        return hmac.compare_digest(vault.open(key.verifier, key.id), secret.encode())
    try:
        seed = base64.b64decode(secret, validate=True)[:32]
        public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    except ValueError:
        return False
    return hmac.compare_digest(public, key.verifier)


# --- logins -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Grant:
    """A login: the key and the tokens for HTTP and for renewing."""

    key: Key
    access_token: str
    refresh_token: str
    expires_s: int

    def result(self) -> dict[str, object]:
        """The answer of `public/auth`."""
        return {
            "access_token": self.access_token,
            "refresh_token": self.refresh_token,
            "expires_in": self.expires_s,
            "token_type": "bearer",
            "scope": " ".join(sorted(self.key.scopes)),
        }


@dataclass(frozen=True, slots=True)
class _Token:
    """A token's contents: `family` is the same in all tokens that come of one login."""

    key: Key
    kind: int
    digest: bytes
    expires_ns: int
    family: bytes


class Authenticator:
    """Verifies logins, tokens and signed requests against the registry."""

    def __init__(self, registry: Registry, vault: Vault) -> None:
        self._registry = registry
        self.vault = vault

    def login(self, params: AuthParams, now_ns: int) -> Grant:
        """`public/auth`: one answer, INVALID_CREDENTIALS, whatever of a key is wrong."""
        if params.grant_type == "client_credentials":
            key = self._client_credentials(params)
        elif params.grant_type == "client_signature":
            key = self._client_signature(params, now_ns)
        elif params.grant_type == "coinbase_cdp":
            key = self._cdp(_required(params.token, "token"), now_ns)
        else:
            found = self._read_token(_required(params.refresh_token, "refresh_token"), _REFRESH, now_ns)
            check_scope(params.scope or "", found.key.scopes, ACCESS_S)
            self._once(found.digest, found.expires_ns, now_ns)
            return self._grant(found.key, now_ns, found.family)
        check_scope(params.scope or "", key.scopes, ACCESS_S)
        return self._grant(key, now_ns, secrets.token_bytes(_FAMILY_BYTES))

    def _client_credentials(self, params: AuthParams) -> Key:
        key = self._live_key(_required(params.client_id, "client_id"), "hmac")
        if not hmac.compare_digest(self._secret(key), _required(params.client_secret, "client_secret").encode()):
            raise _invalid()
        return key

    def _client_signature(self, params: AuthParams, now_ns: int) -> Key:
        if not given(params.timestamp):
            raise bad_param("timestamp", "it is missing")
        stamp_ms = parse_integer(params.timestamp, "timestamp", 0, 10**14)
        text = f"{stamp_ms}\n{_required(params.nonce, 'nonce')}\n{params.data or ''}"
        key = self._live_key(_required(params.client_id, "client_id"), "hmac")
        signature = _required(params.signature, "signature")
        self._check_hmac(key, text.encode(), signature)
        self._check_window(stamp_ms * 1_000_000, now_ns)
        self._once(_digest(key.id, signature.lower()), stamp_ms * 1_000_000 + WINDOW_NS, now_ns)
        return key

    def _cdp(self, token: str, now_ns: int) -> Key:
        """A JWT signed with Ed25519: header kid and claim sub name the key, at most two minutes of life count."""
        key_id, claims = _read_jwt(token)
        key = self._live_key(key_id, "ed25519")
        _check_jwt_signature(token, key)
        expires_ns = _check_claims(claims, key.id, now_ns)
        self._once(_digest(key.id, token.rpartition(".")[0]), expires_ns, now_ns)
        return key

    def _grant(self, key: Key, now_ns: int, family: bytes) -> Grant:
        access = self._make_token(key, _ACCESS, now_ns + ACCESS_S * 1_000_000_000, family)
        refresh = self._make_token(key, _REFRESH, now_ns + REFRESH_S * 1_000_000_000, family)
        return Grant(key, access, refresh, ACCESS_S)

    # --- HTTP -----------------------------------------------------------------------------------------------------

    def authorize(
        self, header: str, method: str, target: str, body: bytes, now_ns: int, is_repeatable: bool = False
    ) -> Key:
        """The key of an HTTP call by its Authorization header; `target` is the request target as it was sent.

        A signature counts once, but for calls that are repeatable: done again they change nothing. Clients make their
        nonce of the clock's milliseconds (ccxt does), so two equal calls in one millisecond are signed alike. They
        come together, so a few seconds are enough: who has copied a call cannot ask with it for a minute.
        """
        if header[:7].lower() == "bearer ":
            return self._bearer(header[7:].strip(), now_ns)
        match = _HEADER.fullmatch(header.strip())
        if match is None:
            reason = "send Authorization: Bearer TOKEN or deri-hmac-sha256 id=,ts=,sig=,nonce="
            raise Refusal(ErrorCode.UNAUTHORIZED, reason)
        fields = dict(part.strip().partition("=")[::2] for part in match[1].split(","))
        missing = [name for name in ("id", "ts", "sig", "nonce") if not fields.get(name)]
        if missing or not fields["ts"].isascii() or not fields["ts"].isdigit() or len(fields["ts"]) > 14:
            reason = "the signature header needs id, ts in ms, sig and nonce"
            raise Refusal(ErrorCode.UNAUTHORIZED, reason, "Authorization")
        key = self._live_key(fields["id"], "hmac")
        text = f"{fields['ts']}\n{fields['nonce']}\n{method}\n{target}\n".encode() + body + b"\n"
        self._check_hmac(key, text, fields["sig"])
        stamp_ns = int(fields["ts"]) * 1_000_000
        self._check_window(stamp_ns, now_ns)
        digest = _digest(key.id, fields["sig"].lower())
        is_new = self._remember(digest, stamp_ns + WINDOW_NS, now_ns)
        if not is_new and not (is_repeatable and abs(now_ns - stamp_ns) <= REPEAT_NS):
            reason = "this signature was used before; sign again with a nonce that no call of this millisecond has"
            raise Refusal(ErrorCode.INVALID_CREDENTIALS, reason, "nonce")
        return key

    def _bearer(self, token: str, now_ns: int) -> Key:
        return self._read_token(token, _ACCESS, now_ns).key

    def revoke_token(self, token: str, now_ns: int) -> None:
        """Make every token of the login that a token came of useless; a session may outlive its own access token."""
        found = self._opened(token)
        self._remember(_family_digest(found.key, found.family), now_ns + REFRESH_S * 1_000_000_000, now_ns)

    # --- parts ----------------------------------------------------------------------------------------------------

    def _live_key(self, key_id: str, kind: str) -> Key:
        key = self._registry.key(key_id)
        if key is None or key.kind != kind or key.revoked_ns is not None:
            raise _invalid()
        return key

    def _secret(self, key: Key) -> bytes:
        return self.vault.open(key.verifier, key.id)

    def _check_hmac(self, key: Key, text: bytes, signature: str) -> None:
        expected = hmac.new(self._secret(key), text, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), signature.lower().encode()):
            raise _invalid()

    def _check_window(self, stamp_ns: int, now_ns: int) -> None:
        if abs(now_ns - stamp_ns) > WINDOW_NS:
            away_s = abs(now_ns - stamp_ns) // 1_000_000_000
            reason = f"the signature's time is {away_s} s away from the venue's; 60 s are allowed: set your clock"
            raise Refusal(ErrorCode.INVALID_CREDENTIALS, reason, "timestamp")

    def _once(self, digest: bytes, expires_ns: int, now_ns: int) -> None:
        if not self._remember(digest, expires_ns, now_ns):
            raise Refusal(ErrorCode.INVALID_CREDENTIALS, "this signature was used before; sign again with a new nonce")

    def _remember(self, digest: bytes, expires_ns: int, now_ns: int) -> bool:
        """Note that something was used; whether it is the first time."""
        try:
            return self._registry.use_once(digest, expires_ns, now_ns)
        except BusyError as busy:
            raise Refusal(ErrorCode.RETRY, str(busy)) from None

    def _make_token(self, key: Key, kind: int, expires_ns: int, family: bytes) -> str:
        body = _TOKEN.pack(kind, expires_ns, family) + key.id.encode()
        return base64.urlsafe_b64encode(body + self._token_mac(body)).decode().rstrip("=")

    def _token_mac(self, body: bytes) -> bytes:
        return hmac.new(self.vault.token_key, body, hashlib.sha256).digest()

    def _opened(self, token: str) -> _Token:
        """What a token that this venue made says, whether or not it counts still."""
        raw = _b64url(token) if len(token) <= MAX_TOKEN_CHARS else b""
        body, mac = raw[:-32], raw[-32:]
        if len(body) <= _TOKEN.size or not hmac.compare_digest(self._token_mac(body), mac):
            raise Refusal(ErrorCode.UNAUTHORIZED, "the token is not one of this venue; log in with public/auth")
        kind, expires_ns, family = _TOKEN.unpack_from(body)
        key = self._registry.key(body[_TOKEN.size :].decode())
        if key is None or key.revoked_ns is not None:
            raise Refusal(ErrorCode.UNAUTHORIZED, "the token's key was revoked")
        return _Token(key, kind, hashlib.blake2b(body, digest_size=16).digest(), expires_ns, family)

    def _read_token(self, token: str, kind: int, now_ns: int) -> _Token:
        """What a token of a kind says, as long as it counts."""
        found = self._opened(token)
        if found.kind != kind or found.expires_ns <= now_ns:
            raise Refusal(ErrorCode.UNAUTHORIZED, "the token has expired or is of the other kind; log in again")
        if self._registry.is_used(_family_digest(found.key, found.family)):
            raise Refusal(ErrorCode.UNAUTHORIZED, "the token was given back by a logout; log in again")
        return found


_ACCESS, _REFRESH = 1, 2
_JWS = jwt.PyJWS(algorithms=["EdDSA"])
"""Knows no other algorithm. The claims are left to `_check_claims`: PyJWT goes by the machine's clock, and lets a claim
that is missing pass."""


def _invalid() -> Refusal:
    return Refusal(ErrorCode.INVALID_CREDENTIALS, "unknown key, or the secret or signature is wrong")


def _required(value: str | None, param: str) -> str:
    if not value:
        raise bad_param(param, "it is missing")
    return value


def _family_digest(key: Key, family: bytes) -> bytes:
    """What is remembered of a login whose tokens were given back."""
    return hashlib.blake2b(b"logout" + family + key.id.encode(), digest_size=16).digest()


def _digest(key_id: str, text: str) -> bytes:
    return hashlib.blake2b(f"{key_id}\n{text}".encode(), digest_size=16).digest()


def _b64url(text: str) -> bytes:
    """The bytes of unpadded base64url, or nothing when it is not that."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""


def _read_jwt(token: str) -> tuple[str, dict[str, Any]]:
    """(which key it says that it is signed with, claims) of a JWT, nothing believed yet."""
    if token.count(".") != 2 or len(token) > MAX_TOKEN_CHARS or not token.isascii() or "=" in token:
        raise bad_param("token", "it is not a JWT of three unpadded parts and at most 4096 characters")
    try:
        read = _JWS.decode_complete(token, options={"verify_signature": False})
        claims = msgspec.json.decode(read["payload"], type=dict[str, Any])
    except (jwt.InvalidTokenError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        reason = "its header and claims must be JSON in base64url, without critical extensions, its signature base64url"
        raise bad_param("token", reason) from None
    return str(read["header"].get("kid", "")), claims


def _check_jwt_signature(token: str, key: Key) -> None:
    try:
        _JWS.decode_complete(token, Ed25519PublicKey.from_public_bytes(key.verifier), algorithms=["EdDSA"])
    except jwt.InvalidAlgorithmError:
        raise _misdirected() from None
    except jwt.InvalidTokenError:
        raise _invalid() from None


def _misdirected() -> Refusal:
    return bad_param("token", "alg must be EdDSA, sub the key's id, and aud must name cdp_service")


def _check_claims(claims: dict[str, Any], key_id: str, now_ns: int) -> int:
    """Refuse a JWT that is not for this venue and this moment; answers when it ends, in ns."""
    begins, ends = claims.get("nbf"), claims.get("exp")
    if type(begins) is not int or type(ends) is not int or not 0 <= begins <= ends < 10**11:
        raise bad_param("token", "it needs the claims nbf and exp as whole seconds")
    audience = claims.get("aud")
    meant = audience == "cdp_service" or (isinstance(audience, list) and "cdp_service" in audience)
    if claims.get("sub") != key_id or not meant:
        raise _misdirected()
    uris = claims.get("uris")
    named = isinstance(uris, list) and any(str(uri).endswith("/public/auth") for uri in uris)
    if uris is not None and not named:
        raise bad_param("token", "uris must name public/auth")
    slack = WINDOW_NS // 1_000_000_000
    now_s = now_ns // 1_000_000_000
    if not begins - slack <= now_s < ends or ends > now_s + 2 * slack + slack:
        raise Refusal(ErrorCode.INVALID_CREDENTIALS, "the token is not valid now; set your clock", "token")
    return ends * 1_000_000_000
