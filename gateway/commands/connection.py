"""What the commands that connect to a venue share: address, key, and readable errors."""

import argparse
import asyncio
import os
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import picows
import uvloop

from gateway.client import Client, Disconnected, RpcError
from gateway.commands.common import readable_errors


def add_connection_arguments(parser: argparse.ArgumentParser, needs_key: bool) -> None:
    """--url, --key, --secret and --json, with their places in the environment."""
    url = os.environ.get("LIONROCK_URL", "ws://127.0.0.1:8765")
    parser.add_argument("--url", default=url, help=f"address of the venue (default: {url}; LIONROCK_URL)")
    text = "needed" if needs_key else "only for the account's own channels"
    parser.add_argument("--key", default=os.environ.get("LIONROCK_KEY", ""), help=f"key id (LIONROCK_KEY), {text}")
    parser.add_argument("--secret", default=os.environ.get("LIONROCK_SECRET", ""), help="its secret (LIONROCK_SECRET)")
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line")


def client_of(args: argparse.Namespace) -> Client:
    """A client for the arguments."""
    return Client(args.url, args.key, args.secret)


def run_client(command: str, main: Coroutine[Any, Any, int]) -> int:
    """Run to the end or to Ctrl-C; one line for what goes wrong."""
    with readable_errors(command), suppress(KeyboardInterrupt, asyncio.CancelledError):
        try:
            return uvloop.run(main)
        except (RpcError, Disconnected, picows.WSError) as error:
            raise ValueError(str(error)) from None
        except TimeoutError:
            raise ValueError("no answer within 10 s; is the venue busy or gone?") from None
    return 0
