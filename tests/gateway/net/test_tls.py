"""TLS: a venue with a certificate is reached by wss, and a plain connection gets one readable line."""

import asyncio
import datetime
import ipaddress
import json
import ssl

import picows
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.client import Client
from gateway.commands.connection import run_client
from tests.gateway.live import config_of, play, running, set_up


def certificate(folder):
    """A certificate of its own for 127.0.0.1: (its path, its key's path)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lionrock")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


class Listener(picows.WSListener):
    """Keeps the first message."""

    def __init__(self):
        super().__init__()
        self.answer = asyncio.get_running_loop().create_future()

    def on_ws_connected(self, transport):
        transport.send(picows.WSMsgType.TEXT, b'{"id":1,"method":"public/get_time"}')

    def on_ws_frame(self, transport, frame):
        if not self.answer.done():
            self.answer.set_result(frame.get_payload_as_bytes())


def venue(tmp_path):
    tls_certificate, tls_key = certificate(tmp_path)
    config = config_of(tmp_path / "venue", tls_certificate=str(tls_certificate), tls_key=str(tls_key))
    config.registry.parent.mkdir(parents=True, exist_ok=True)
    set_up(config)
    return config


def test_a_client_that_trusts_the_certificate_is_served(tmp_path):
    config = venue(tmp_path)

    async def story():
        async with running(config) as server:
            context = ssl.create_default_context(cafile=config.tls_certificate)
            url = f"wss://127.0.0.1:{server.port}/ws/api/v2"
            transport, listener = await picows.ws_connect(Listener, url, ssl_context=context)
            answer = json.loads(await listener.answer)
            transport.disconnect()
            return answer

    assert play(story())["result"] > 0


def test_plain_and_untrusting_connections_get_one_line(tmp_path, capsys):
    config = venue(tmp_path)

    async def story():
        async with running(config) as server:
            told = []
            for scheme in ("ws", "wss"):
                client = Client(f"{scheme}://127.0.0.1:{server.port}", reconnect=False)
                with pytest.raises(SystemExit, match="2"):
                    await asyncio.to_thread(run_client, "watch", client.connect(), client.url)
                told.append(capsys.readouterr().err)
            return told

    plain, untrusted = play(story())
    assert plain.count("\n") == 1 and "wss://" in plain
    assert untrusted.count("\n") == 1 and "certificate" in untrusted.lower()
