"""Logins and signatures: the right ones once, the wrong ones never, the same answer whatever is wrong."""

import base64
import hashlib
import hmac
import json
from contextlib import nullcontext

import ccxt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Raw

from gateway.registry import authentication
from gateway.registry.authentication import AuthParams
from gateway.registry.registry import KeyOrder, Registry, RegistryError
from gateway.wire.errors import ErrorCode, Refusal

NOW = 1_800_000_000_000_000_000
NOW_MS = NOW // 1_000_000
S = 1_000_000_000


class Desk:
    """A registry with one account, an HMAC key and an Ed25519 key."""

    def __init__(self, folder):
        self.registry = Registry(folder / "registry.db")
        self.vault = authentication.Vault(folder / "vault.key", self.registry)
        self.auth = authentication.Authenticator(self.registry, self.vault)
        self.registry.create_account("a", NOW)
        person = self.registry.person("Ann", NOW)
        self.hmac, self.ed = authentication.new_hmac_key(self.vault), authentication.new_ed25519_key()
        self.registry.add_key(KeyOrder(self.hmac.id, 0, person, "hmac", self.hmac.verifier, ["read", "trade"], ""), NOW)
        self.registry.add_key(KeyOrder(self.ed.id, 0, person, "ed25519", self.ed.verifier, ["read"], ""), NOW)

    def signature_login(self, nonce="n", stamp_ms=NOW_MS, secret=None, client_id=None, data=""):
        text = f"{stamp_ms}\n{nonce}\n{data}".encode()
        signature = hmac.new((secret or self.hmac.secret).encode(), text, hashlib.sha256).hexdigest()
        return AuthParams(
            grant_type="client_signature", client_id=client_id or self.hmac.id, timestamp=Raw(str(stamp_ms).encode()),
            nonce=nonce, data=data, signature=signature,
        )  # fmt: skip

    def header(self, method="GET", target="/api/v2/private/buy?amount=1", body=b"", nonce="n", stamp_ms=NOW_MS):
        text = f"{stamp_ms}\n{nonce}\n{method}\n{target}\n".encode() + body + b"\n"
        signature = hmac.new(self.hmac.secret.encode(), text, hashlib.sha256).hexdigest()
        return f"deri-hmac-sha256 id={self.hmac.id},ts={stamp_ms},sig={signature},nonce={nonce}"


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    yield desk
    desk.registry.close()


def refused(code, call, *args):
    with pytest.raises(Refusal) as caught:
        call(*args)
    assert caught.value.code == code, caught.value
    return caught.value


def cdp_token(desk, now_s=NOW // S, url=None, api_key=None, secret=None):
    client = ccxt.coinbaseinternational({"apiKey": api_key or desk.ed.id, "secret": secret or desk.ed.secret})
    return client.create_auth_token(now_s, "POST" if url else None, url, client.is_eddsa_secret())


def test_key_formats_are_not_rerouted_by_known_clients(desk):
    assert len(desk.hmac.id) == 16 and len(desk.hmac.secret) == 64
    assert len(base64.b64decode(desk.ed.secret)) == 64
    for key in (desk.hmac, desk.ed):
        client = ccxt.coinbaseinternational({"apiKey": key.id, "secret": key.secret})
        assert not client.is_native_deribit_credentials()
    assert ccxt.coinbaseinternational({"apiKey": "x", "secret": desk.ed.secret}).is_eddsa_secret()


def test_secrets_are_not_at_rest(desk, tmp_path):
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert desk.hmac.secret.encode() not in files
    assert base64.b64decode(desk.ed.secret)[:32] not in files
    assert (tmp_path / "vault.key").stat().st_mode & 0o077 == 0


def test_client_credentials(desk):
    login = AuthParams(grant_type="client_credentials", client_id=desk.hmac.id, client_secret=desk.hmac.secret)
    grant = desk.auth.login(login, NOW)
    assert grant.key.scopes == {"read", "trade"}
    assert grant.result()["expires_in"] == 3600
    for client_id, secret in [(desk.hmac.id, "x"), ("nobody", desk.hmac.secret), (desk.ed.id, desk.ed.secret)]:
        wrong = AuthParams(grant_type="client_credentials", client_id=client_id, client_secret=secret)
        refused(ErrorCode.INVALID_CREDENTIALS, desk.auth.login, wrong, NOW)
    missing = AuthParams(grant_type="client_credentials", client_id=desk.hmac.id)
    assert refused(ErrorCode.INVALID_PARAMS, desk.auth.login, missing, NOW).param == "client_secret"


def test_client_signature_once_in_its_window(desk):
    login = desk.signature_login()
    assert desk.auth.login(login, NOW + 60 * S).key.id == desk.hmac.id
    assert "used before" in refused(ErrorCode.INVALID_CREDENTIALS, desk.auth.login, login, NOW).reason
    for wrong in (
        desk.signature_login(nonce="a", secret="x"),
        desk.signature_login(nonce="b", client_id="nobody"),
        desk.signature_login(nonce="c", stamp_ms=NOW_MS - 60_001),
        desk.signature_login(nonce="d", stamp_ms=NOW_MS + 60_001),
    ):
        refused(ErrorCode.INVALID_CREDENTIALS, desk.auth.login, wrong, NOW)
    tampered = desk.signature_login(nonce="e")
    tampered.data = "other"
    refused(ErrorCode.INVALID_CREDENTIALS, desk.auth.login, tampered, NOW)


def test_a_signed_request_that_was_seen_is_no_login(desk):
    target = "/api/v2/private/get_positions"
    header = desk.header(target=target)
    desk.auth.authorize(header, "GET", target, b"", NOW)
    replayed = desk.signature_login(nonce="n", data=f"GET\n{target}\n\n")
    assert replayed.signature in header
    assert "used before" in refused(ErrorCode.INVALID_CREDENTIALS, desk.auth.login, replayed, NOW).reason


def test_a_call_that_changes_nothing_may_be_signed_alike_twice(desk):
    target = "/api/v2/private/get_positions"
    header = desk.header(target=target)
    for _ in range(2):
        assert desk.auth.authorize(header, "GET", target, b"", NOW, is_repeatable=True).id == desk.hmac.id
    refusal = refused(ErrorCode.INVALID_CREDENTIALS, desk.auth.authorize, header, "GET", target, b"", NOW)
    assert refusal.param == "nonce"
    for late_ns in (-6 * S, 6 * S):
        refused(ErrorCode.INVALID_CREDENTIALS, desk.auth.authorize, header, "GET", target, b"", NOW + late_ns, True)
    assert "no call of this millisecond" in refusal.reason


def test_a_replayed_login_is_refused_after_a_restart(desk, tmp_path):
    login = desk.signature_login()
    desk.auth.login(login, NOW)
    desk.registry.close()
    desk.registry = Registry(tmp_path / "registry.db")
    again = authentication.Authenticator(desk.registry, authentication.Vault(tmp_path / "vault.key", desk.registry))
    refused(ErrorCode.INVALID_CREDENTIALS, again.login, login, NOW + S)
    assert again.login(desk.signature_login(nonce="fresh"), NOW + S)


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:9/api/v2/public/auth", "https://x.y/api/v2/public/auth?a=b"])
def test_cdp_tokens_of_the_real_client(desk, url):
    token = cdp_token(desk, url=url)
    login = AuthParams(grant_type="coinbase_cdp", token=token)
    assert desk.auth.login(login, NOW).key.id == desk.ed.id
    refused(ErrorCode.INVALID_CREDENTIALS, desk.auth.login, login, NOW)


def test_cdp_tokens_that_are_wrong(desk):
    other = authentication.new_ed25519_key()
    bad = ErrorCode.INVALID_CREDENTIALS
    wrong = [
        (cdp_token(desk, secret=other.secret), bad),
        (cdp_token(desk, api_key="nobody"), bad),
        (cdp_token(desk, api_key=desk.hmac.id), bad),
        (cdp_token(desk, now_s=NOW // S - 121), bad),
        (cdp_token(desk, now_s=NOW // S + 100), bad),
        (cdp_token(desk, url="https://x.y/api/v2/private/buy"), ErrorCode.INVALID_PARAMS),
        ("a.b", ErrorCode.INVALID_PARAMS),
        ("..", ErrorCode.INVALID_PARAMS),
        ("a.b.c", ErrorCode.INVALID_PARAMS),
        ("x" * 5000, ErrorCode.INVALID_PARAMS),
        ("\u00e9.\u00e9.\u00e9", ErrorCode.INVALID_PARAMS),
    ]
    for token, code in wrong:
        refused(code, desk.auth.login, AuthParams(grant_type="coinbase_cdp", token=token), NOW)


NOW_S = NOW // S
BAD_PARAMS, BAD_CREDENTIALS = ErrorCode.INVALID_PARAMS, ErrorCode.INVALID_CREDENTIALS
LEFT_OUT = object()


def part(value):
    """A part of a JWT: bytes as they are, anything else as JSON."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed_token(desk, header=None, claims=None, sign=None):
    """A JWT of the desk's Ed25519 key with these changes to its header and claims; bytes replace the whole part."""
    head, body = {"alg": "EdDSA", "kid": desk.ed.id}, {"aud": ["cdp_service"], "sub": desk.ed.id}
    body |= {"nbf": NOW_S, "exp": NOW_S + 120}
    for whole, changes in ((head, header), (body, claims)):
        whole.update(changes if isinstance(changes, dict) else {})
        for name in [name for name, value in whole.items() if value is LEFT_OUT]:
            del whole[name]
    parts = [changes if isinstance(changes, bytes) else whole for whole, changes in ((head, header), (body, claims))]
    signed = ".".join(map(part, parts))
    seed = base64.b64decode(desk.ed.secret)[:32]
    sign = sign or Ed25519PrivateKey.from_private_bytes(seed).sign
    return f"{signed}.{part(sign(signed.encode()))}"


def cdp(token):
    return AuthParams(grant_type="coinbase_cdp", token=token)


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"aud": "cdp_service"},
        {"nbf": NOW_S + 60},
        {"nbf": NOW_S - 1000, "exp": NOW_S + 1},
        {"exp": NOW_S + 180},
        {"iat": NOW_S + 10**6, "jti": 5, "iss": ["x"]},
        {"uris": ["GET x.y/a", "POST x.y/public/auth"]},
    ],
)
def test_cdp_claims_that_are_good(desk, claims):
    assert desk.auth.login(cdp(signed_token(desk, claims=claims)), NOW).key.id == desk.ed.id


@pytest.mark.parametrize(
    "header, claims, code",
    [
        ({"alg": "none"}, {}, BAD_PARAMS),
        ({"alg": "HS256"}, {}, BAD_PARAMS),
        ({"alg": "ES256"}, {}, BAD_PARAMS),
        ({"alg": ["EdDSA"]}, {}, BAD_PARAMS),
        ({"alg": LEFT_OUT}, {}, BAD_PARAMS),
        ({"crit": ["x"], "x": 1}, {}, BAD_PARAMS),
        ({"b64": False, "crit": ["b64"]}, {}, BAD_PARAMS),
        ({"kid": LEFT_OUT}, {}, BAD_CREDENTIALS),
        ({"kid": "nobody"}, {}, BAD_CREDENTIALS),
        ({"kid": 5}, {}, BAD_PARAMS),
        (b"[]", {}, BAD_PARAMS),
        (b"{", {}, BAD_PARAMS),
        ({}, b"[]", BAD_PARAMS),
        ({}, b'{"nbf":NaN}', BAD_PARAMS),
        ({}, '{"nbf": 1}'.encode("utf-16"), BAD_PARAMS),
        ({}, b"[" * 2500, BAD_PARAMS),
        ({}, {"aud": 5}, BAD_PARAMS),
        ({}, {"aud": ["other"]}, BAD_PARAMS),
        ({}, {"aud": LEFT_OUT}, BAD_PARAMS),
        ({}, {"sub": "other"}, BAD_PARAMS),
        ({}, {"sub": 5}, BAD_PARAMS),
        ({}, {"sub": LEFT_OUT}, BAD_PARAMS),
        ({}, {"exp": "later"}, BAD_PARAMS),
        ({}, {"exp": NOW_S + 60.5}, BAD_PARAMS),
        ({}, {"exp": 10**30}, BAD_PARAMS),
        ({}, {"exp": LEFT_OUT}, BAD_PARAMS),
        ({}, {"nbf": True}, BAD_PARAMS),
        ({}, {"nbf": -1}, BAD_PARAMS),
        ({}, {"nbf": NOW_S + 121}, BAD_PARAMS),
        ({}, {"nbf": LEFT_OUT}, BAD_PARAMS),
        ({}, {"uris": 5}, BAD_PARAMS),
        ({}, {"uris": []}, BAD_PARAMS),
        ({}, {"uris": ["POST x.y/public/auth2"]}, BAD_PARAMS),
        ({}, {"exp": NOW_S}, BAD_CREDENTIALS),
        ({}, {"nbf": NOW_S + 61}, BAD_CREDENTIALS),
        ({}, {"exp": NOW_S + 181}, BAD_CREDENTIALS),
    ],
)
def test_cdp_tokens_are_checked_even_when_signed(desk, header, claims, code):
    refused(code, desk.auth.login, cdp(signed_token(desk, header, claims)), NOW)
    assert desk.auth.login(cdp(signed_token(desk)), NOW).key.id == desk.ed.id


def test_a_cdp_token_needs_the_signature_of_its_own_key(desk):
    public = base64.b64decode(desk.ed.secret)[32:]
    by_public_key = signed_token(desk, {"alg": "HS256"}, sign=lambda data: hmac.new(public, data, "sha256").digest())
    refused(BAD_PARAMS, desk.auth.login, cdp(by_public_key), NOW)
    for sign in (lambda data: b"", lambda data: bytes(64), Ed25519PrivateKey.generate().sign):
        refused(BAD_CREDENTIALS, desk.auth.login, cdp(signed_token(desk, sign=sign)), NOW)
    good = signed_token(desk)
    signed, _, signature = good.rpartition(".")
    for changed in (signature + "!", signature[:-1] + "_", "!" + signature, signature + "=", signature.swapcase()):
        with pytest.raises(Refusal):
            desk.auth.login(cdp(f"{signed}.{changed}"), NOW)
    with pytest.raises(Refusal):
        desk.auth.login(cdp(good + "."), NOW)
    assert desk.auth.login(cdp(good), NOW)
    assert "used before" in refused(BAD_CREDENTIALS, desk.auth.login, cdp(good), NOW).reason
    desk.registry.revoke_key(desk.ed.id, NOW)
    refused(BAD_CREDENTIALS, desk.auth.login, cdp(signed_token(desk, claims={"exp": NOW_S + 100})), NOW)


def test_signed_http_of_the_real_client(desk):
    client = ccxt.deribit({"apiKey": desk.hmac.id, "secret": desk.hmac.secret})
    signed = client.sign("buy", ["private"], "GET", {"instrument_name": "BTC_USDC-PERPETUAL", "label": "a b/c"})
    target = signed["url"].removeprefix("https://www.deribit.com")
    header = signed["headers"]["Authorization"]
    now = client.milliseconds() * 1_000_000
    assert desk.auth.authorize(header, "GET", target, b"", now).id == desk.hmac.id
    refused(ErrorCode.INVALID_CREDENTIALS, desk.auth.authorize, header, "GET", target, b"", now)


def test_signed_http_covers_everything_and_allows_one_nonce_for_two_calls(desk):
    target = "/api/v2/private/buy?amount=1"
    call = desk.auth.authorize
    for method, uri, body in [("POST", target, b""), ("GET", target + "0", b""), ("GET", target, b"x")]:
        refused(ErrorCode.INVALID_CREDENTIALS, call, desk.header(), method, uri, body, NOW)
    assert call(desk.header(), "GET", target, b"", NOW)
    other = "/api/v2/private/get_positions"
    assert call(desk.header(target=other), "GET", other, b"", NOW)
    late = desk.header(nonce="z", stamp_ms=NOW_MS - 60_001)
    refused(ErrorCode.INVALID_CREDENTIALS, call, late, "GET", target, b"", NOW)
    for header in ["", "Basic x", "deri-hmac-sha256 ", "deri-hmac-sha256 id=a,ts=x,sig=b,nonce=c", "Bearer x"]:
        refused(ErrorCode.UNAUTHORIZED, call, header, "GET", target, b"", NOW)


def test_tokens_bearer_refresh_logout(desk, tmp_path):
    grant = desk.auth.login(desk.signature_login(), NOW)
    bearer = f"Bearer {grant.access_token}"
    call = desk.auth.authorize
    assert call(bearer, "GET", "/x", b"", NOW).id == desk.hmac.id
    again = authentication.Authenticator(desk.registry, authentication.Vault(tmp_path / "vault.key", desk.registry))
    assert again.authorize(bearer, "GET", "/x", b"", NOW).id == desk.hmac.id
    refused(ErrorCode.UNAUTHORIZED, call, bearer, "GET", "/x", b"", NOW + 3600 * S)
    refused(ErrorCode.UNAUTHORIZED, call, f"Bearer {grant.refresh_token}", "GET", "/x", b"", NOW)
    refused(ErrorCode.UNAUTHORIZED, call, f"Bearer {grant.access_token[:-2]}AA", "GET", "/x", b"", NOW)
    renew = AuthParams(grant_type="refresh_token", refresh_token=grant.refresh_token)
    assert desk.auth.login(renew, NOW + 4000 * S).key.id == desk.hmac.id
    refused(ErrorCode.INVALID_CREDENTIALS, desk.auth.login, renew, NOW + 4000 * S)
    desk.auth.revoke_token(grant.access_token, NOW)
    refused(ErrorCode.UNAUTHORIZED, call, bearer, "GET", "/x", b"", NOW)


def test_a_logout_ends_every_token_of_the_login(desk):
    grant, other = (desk.auth.login(desk.signature_login(nonce=nonce), NOW) for nonce in "ab")
    renewed = desk.auth.login(AuthParams(grant_type="refresh_token", refresh_token=grant.refresh_token), NOW + S)
    desk.auth.revoke_token(renewed.access_token, NOW + 2 * S)
    for login in (grant, renewed):
        bearer = f"Bearer {login.access_token}"
        refused(ErrorCode.UNAUTHORIZED, desk.auth.authorize, bearer, "GET", "/x", b"", NOW + 3 * S)
    renew = AuthParams(grant_type="refresh_token", refresh_token=renewed.refresh_token)
    refused(ErrorCode.UNAUTHORIZED, desk.auth.login, renew, NOW + 6 * 86_400 * S)
    assert desk.auth.authorize(f"Bearer {other.access_token}", "GET", "/x", b"", NOW + 3 * S)


def test_a_revoked_key_opens_nothing(desk):
    grant = desk.auth.login(desk.signature_login(), NOW)
    desk.registry.revoke_key(desk.hmac.id, NOW)
    refused(ErrorCode.INVALID_CREDENTIALS, desk.auth.login, desk.signature_login(nonce="2"), NOW)
    refused(ErrorCode.UNAUTHORIZED, desk.auth.authorize, f"Bearer {grant.access_token}", "GET", "/x", b"", NOW)
    header = desk.header()
    refused(ErrorCode.INVALID_CREDENTIALS, desk.auth.authorize, header, "GET", "/api/v2/private/buy?amount=1", b"", NOW)


def test_the_vault_must_be_the_right_one(desk, tmp_path):
    other = Registry(tmp_path / "other.db")
    authentication.Vault(tmp_path / "other.key", other)
    other.close()
    right = (tmp_path / "vault.key").read_bytes()
    for content, why in (
        (None, "vault.key: it is missing, and the registry has secrets under it; put back the vault.key"),
        ((tmp_path / "other.key").read_bytes(), "vault.key: another key than the registry's secrets were sealed with"),
        (b"short", "vault.key: 5 bytes are no vault key, which has 32; put back"),
        (right, ""),
    ):
        (tmp_path / "vault.key").unlink()
        if content is not None:
            (tmp_path / "vault.key").write_bytes(content)
        with pytest.raises(RegistryError, match=why) if why else nullcontext():
            authentication.Vault(tmp_path / "vault.key", desk.registry)
        if content is None:
            assert not (tmp_path / "vault.key").exists()
            (tmp_path / "vault.key").write_bytes(right)
    assert authentication.Vault(tmp_path / "vault.key", desk.registry).open(desk.hmac.verifier, desk.hmac.id)


def test_a_registry_of_an_earlier_release_keeps_the_fingerprint_of_the_key_that_opens_its_secrets(desk, tmp_path):
    with desk.registry.transaction():
        desk.registry.write("DELETE FROM vault")
    right = (tmp_path / "vault.key").read_bytes()
    (tmp_path / "vault.key").write_bytes(bytes(32))
    with pytest.raises(RegistryError, match="another key"):
        authentication.Vault(tmp_path / "vault.key", desk.registry)
    (tmp_path / "vault.key").write_bytes(right)
    authentication.Vault(tmp_path / "vault.key", desk.registry)
    assert len(desk.registry.all("SELECT fingerprint FROM vault")) == 1


def test_a_venue_without_secrets_takes_another_vault(tmp_path):
    registry = Registry(tmp_path / "registry.db")
    first = authentication.Vault(tmp_path / "vault.key", registry)
    (tmp_path / "vault.key").unlink()
    assert authentication.Vault(tmp_path / "vault.key", registry).token_key != first.token_key
    registry.close()


def test_a_public_key_can_be_imported(desk):
    public = base64.b64encode(base64.b64decode(desk.ed.secret)[32:]).decode()
    assert authentication.imported_ed25519_key(public).verifier == desk.ed.verifier
    for text in ("", "x", base64.b64encode(b"short").decode(), "\u00e9"):
        with pytest.raises(RegistryError, match="32 bytes"):
            authentication.imported_ed25519_key(text)
