"""`lionrock handover`: have another node lead the venue, without a refused order."""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from engine import host
from gateway.cluster import handover
from gateway.cluster.handover import Answer
from gateway.commands import officer
from gateway.commands.common import open_registry, readable_errors
from gateway.commands.noting import note_read
from gateway.config import Config

TAKEN_SECONDS = 5.0
"""How long a leader may take until it has the request."""
ANSWER_SECONDS = 60.0
LOOK_SECONDS = 0.02
_EXAMPLES = """examples:
  lionrock handover --data /var/lib/lionrock --reason "new disks" --as ann.key
  lionrock handover --data /var/lib/lionrock --to b --reason "back to the first machine" --as ann.key --json

Run it on the machine of the node that leads, on its data folder. The node holds what clients send, finishes what it
has, and asks the standby to lead: --to, or the one that has most of the stream. The standby leads at once. Each request
that was held is answered HANDED_OVER: it was not taken, and the Python client sends it to the new leader by itself. The
old leader goes on as a standby in the same process. When the standby does not lead, this node leads on and serves what
it held. When the stream goes away meanwhile, it reads clients again after some seconds, and takes no order until the
stream says who leads.
exit codes: 0 another node leads, 1 refused: this node leads on, 2 not asked, no answer, or nobody knows yet who leads
"""
CODES = {"done": 0, "refused": 1, "open": 2}
"""The exit code for each state of an answer."""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "handover",
        help="have a standby lead the venue, without a refused order",
        description="Have a standby lead the venue: nothing is refused, lost or done twice; the old leader follows.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--to", default="", metavar="NODE", help="the standby's name (default: the most advanced one)")
    officer.add_officer_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask, and wait for what becomes of it."""
    with readable_errors("handover"):
        if not args.reason.strip():
            raise ValueError("--reason: it is missing; say why, for the record")
        config = Config(data=args.data)
        with open_registry(args.data) as registry:
            key = officer.acting_officer(registry, args)
            person = "" if key is None else registry.person_name(key.person)
        if not host.is_written(config.journal):
            raise ValueError(f"--data: nothing runs on {args.data}; name the data folder of the node that leads")
        note_read(args.data, "handover", f"to={args.to or 'any'} {args.reason}", key=key)
        answer = _asked(Path(args.data), args.to, person, args.reason)
    if args.json:
        print(json.dumps({"state": answer.state, "node": answer.node, "held_ms": answer.held_ms, "line": answer.line}))
    elif answer.state == "done":
        print(f"node {answer.node} leads; requests were held for {answer.held_ms:g} ms, and this node is its standby")
    else:
        print(f"{'no handover' if answer.state == 'refused' else 'not decided yet'}: {answer.line}")
    return CODES[answer.state]


def _asked(data: Path, to: str, person: str, reason: str) -> Answer:
    """The leader's answer. ValueError when nobody takes the request, or answers it."""
    request = handover.ask(data, to, person, reason)
    taken_by, answer_by = (time.monotonic() + seconds for seconds in (TAKEN_SECONDS, ANSWER_SECONDS))
    is_taken = False
    while time.monotonic() < answer_by:
        answer = handover.answer_to(data, request)
        if answer is not None:
            return answer
        if not is_taken and time.monotonic() > taken_by:
            if handover.withdraw(data):
                raise ValueError(
                    f"--data: the node on {data} does not lead a cluster; run this on the machine of the one that does"
                )
            is_taken = True
        time.sleep(LOOK_SECONDS)
    raise ValueError(f"no answer within {ANSWER_SECONDS:g} s; public/status of each node says who leads")
