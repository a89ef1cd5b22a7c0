"""What the commands that connect to a venue share: address, key, and readable errors."""

import argparse
import asyncio
import os
import socket
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import picows
import uvloop

from gateway.client import Client, Disconnected, RpcError
from gateway.commands.common import readable_errors


def add_connection_arguments(parser: argparse.ArgumentParser, needs_key: bool) -> None:
    """--url, --key, --secret and --json, with their environment variables as defaults."""
    url = os.environ.get("LIONROCK_URL", "ws://127.0.0.1:8765")
    parser.add_argument("--url", default=url, help=f"address of the venue (default: {url}; LIONROCK_URL)")
    text = "needed" if needs_key else "only for the account's own channels"
    parser.add_argument("--key", default=os.environ.get("LIONROCK_KEY", ""), help=f"key id (LIONROCK_KEY), {text}")
    parser.add_argument("--secret", default=os.environ.get("LIONROCK_SECRET", ""), help="its secret (LIONROCK_SECRET)")
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line")


def client_of(args: argparse.Namespace) -> Client:
    """A client for the arguments."""
    return Client(args.url, args.key, args.secret)


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
