"""`lionrock schema`: the protocol's document, or the binary records as a NumPy dtype."""

import argparse
import sys
from pathlib import Path
from typing import Any

from gateway.commands.common import readable_errors
from gateway.document import openrpc

_EXAMPLES = """examples:
  lionrock schema > lionrock.openrpc.json
  lionrock schema --output lionrock.openrpc.json
  lionrock schema --dtype COMMAND
"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "schema",
        help="write the protocol's document",
        description="Write the OpenRPC document of the protocol, made from the message types, or a binary record.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write to a file (default: standard output)")
    parser.add_argument("--dtype", choices=openrpc.record_names(), help="a binary record as NumPy dtype instead")
    parser.add_argument("--json", action="store_true", help="JSON, as it always is without --dtype")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the document; 0, or one line of error and 2."""
    with readable_errors("schema", args):
        data = openrpc.dtype_text(args.dtype).encode() if args.dtype else openrpc.text()
        if args.output:
            args.output.write_bytes(data + b"\n")
        else:
            sys.stdout.write(data.decode() + "\n")
    return 0
