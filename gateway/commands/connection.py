"""What the commands that connect to a venue share: address, key, and readable errors."""

import argparse
import asyncio
import getpass
import os
import socket
import ssl
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import picows
import uvloop

from gateway.client import Client, Disconnected, RpcError
from gateway.commands.common import NoSecret, key_in_json, readable_errors, warn_of_readers

NO_KEY = (
    "--key: a key and its secret are needed; give --secret-file FILE, or set LIONROCK_KEY and LIONROCK_SECRET; "
    "`lionrock key create` makes them, `lionrock demo` prints some"
)


def add_connection_arguments(parser: argparse.ArgumentParser, needs_key: bool, is_action: bool = False) -> None:
    """--url, --key, --secret-file and --json, with their environment variables as defaults.

    An action takes the same after its name, and then they win over what stands before it.
    """

    def default(value: Any) -> Any:
        return argparse.SUPPRESS if is_action else value

    group = parser.add_argument_group("connection")
    url = os.environ.get("LIONROCK_URL", "ws://127.0.0.1:8765")
    group.add_argument("--url", default=default(url), help=f"address of the venue (default: {url}; LIONROCK_URL)")
    text = "needed" if needs_key else "only for the account's own channels"
    group.add_argument("--key", default=default(""), metavar="ID", help=f"key id (LIONROCK_KEY), {text}")
    group.add_argument(
        "--secret-file", default=default(""), metavar="FILE",
        help="a file with the secret, or with id and secret as JSON (LIONROCK_SECRET_FILE; or LIONROCK_SECRET itself)",
    )  # fmt: skip
    group.add_argument("--secret", action=NoSecret)
    group.add_argument("--json", action="store_true", default=default(False), help="print JSON, one object a line")


def client_of(args: argparse.Namespace) -> Client:
    """A client for the arguments; its `key_id` is empty when there is no key."""
    key, secret = credentials(args)
    return Client(args.url, key, secret)


def credentials(args: argparse.Namespace) -> tuple[str, str]:
    """Key and secret: the command line wins over the environment, a secret itself over a file; a terminal is asked."""
    key = args.key or os.environ.get("LIONROCK_KEY", "")
    file, field = args.secret_file, "--secret-file"
    secret = "" if file else os.environ.get("LIONROCK_SECRET", "")
    if not file:
        file, field = os.environ.get("LIONROCK_SECRET_FILE", ""), "LIONROCK_SECRET_FILE"
    if not secret and file:
        key, secret = key_and_secret(file, field, args.key)
    if key and not secret and sys.stdin.isatty():
        secret = getpass.getpass(f"secret of key {key}: ")
    if secret and not key:
        raise ValueError("--key: it is missing; give the id of the key that the secret belongs to, or set LIONROCK_KEY")
    if key and not secret:
        raise ValueError(f"--secret-file: the secret of key {key} is missing; name a file, or set LIONROCK_SECRET")
    return key, secret


def key_and_secret(path: str, field: str, given_key: str) -> tuple[str, str]:
    """(key, secret) of a file: JSON with both, or the secret alone, whose key is given elsewhere."""
    try:
        text = Path(path).read_text().strip()
        warn_of_readers(path)
    except OSError as error:
        raise ValueError(f"{field}: {path}: {(error.strerror or '').lower()}; name a file that you may read") from None
    except UnicodeDecodeError:
        raise ValueError(f"{field}: {path} is no text; name the file with the secret") from None
    key = given_key or os.environ.get("LIONROCK_KEY", "")
    if text.startswith(("{", "[")):
        try:
            kept, text = key_in_json(text)
        except ValueError:
            raise ValueError(f"{field}: {path}: JSON without id and secret; name a key file") from None
        if given_key and given_key != kept:
            raise ValueError(f"--key: {given_key} is not the key in {path}, which is {kept}; leave --key out")
        key = kept
    if not text:
        raise ValueError(f"{field}: {path} is empty; name the file with the secret")
    return key, text


def _check_port(url: str, flag: str) -> None:
    try:
        _ = urlsplit(url).port
    except ValueError as error:
        raise ValueError(f"{flag} {url}: {error}; an address is such as ws://127.0.0.1:8765") from None


def run_client(command: str, main: Coroutine[Any, Any, int], url: str, flag: str = "--url") -> int:
    """Run to the end or to Ctrl-C; an error becomes one line with the address and its flag."""
    with readable_errors(command), suppress(KeyboardInterrupt, asyncio.CancelledError):
        try:
            _check_port(url, flag)
        except ValueError:
            main.close()
            raise
        try:
            return uvloop.run(main)
        except picows.WSError as error:
            raise ValueError(f"{flag} {url}: {error}; an address is such as ws://127.0.0.1:8765") from None
        except ssl.SSLError as error:
            why = getattr(error, "verify_message", "") or error
            remedy = "SSL_CERT_FILE names a file of certificates to trust"
            raise ValueError(f"{flag} {url}: the venue's certificate is not accepted: {why}; {remedy}") from None
        except (RpcError, Disconnected) as error:
            raise ValueError(str(error)) from None
        except UnicodeError:
            raise ValueError(f"{flag} {url}: no such host name; check the address") from None
        except socket.gaierror:
            raise ValueError(f"{flag} {url}: the host is not known; check its name") from None
        except ConnectionRefusedError:
            raise ValueError(f"{flag} {url}: nothing listens there; start `lionrock serve` or check the port") from None
        except TimeoutError:
            raise ValueError("no answer within 10 s; is the venue busy or gone?") from None
    return 0
