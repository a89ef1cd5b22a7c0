"""`lionrock`: one command, a subcommand for each job. A subcommand's module is imported only when it is asked for."""

import argparse
import gc
import importlib
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any, NoReturn

COMMANDS = {
    "demo": "a live exchange on loopback with traders on it, to watch and to trade on",
    "serve": "run the exchange",
    "standby": "follow a venue's log on another machine, and take over",
    "handover": "have a standby lead the venue, without a refused order",
    "trade": "place, amend and cancel orders, see positions",
    "watch": "live book, trades and ticker in the terminal",
    "replay": "replay a recorded order stream through the engine",
    "convert": "write any readable stream as a journal",
    "export": "write a recording or a journal as Parquet and other formats",
    "verify": "check a journal end to end",
    "backup": "copy the data folder of a running venue, and check the copy",
    "restore": "make a data folder of a backup, or check one",
    "upgrade": "bring a data folder of an earlier release up to date",
    "doctor": "look for what is wrong with the machine, the settings or a data folder",
    "archive": "compress, list, check and move old journal segments",
    "bench": "run the benchmarks",
    "load": "measure the gateway under load, beside a bare echo server",
    "account": "create and list accounts",
    "key": "create, revoke and list keys",
    "admin": "officers, evidence, limits, restrictions, money: with four eyes",
    "schema": "write the protocol's document",
    "explain": "an account's margin line by line",
    "affiliates": "the daily report on affiliated market makers",
    "alerts": "what surveillance has noticed, and reviews of it",
    "audit": "export, check and explain every decision",
    "funding": "recompute every funding rate of a journal",
    "simulate": "a seeded market of agents with crash scenarios",
}
"""Name -> what it is for; the module is `gateway.commands.NAME`."""
USAGE_ERROR = 2
INTERNAL_ERROR = 70
"""Exit code when a command ends by an error that nobody foresaw."""
TRACEBACK_VARIABLE = "LIONROCK_TRACEBACK"
"""Set it to see where such an error comes from."""


def _overview() -> str:
    lines = ["usage: lionrock COMMAND [ARGUMENT ...]", "", "The core of a perpetual-contract exchange.", ""]
    lines += ["commands:"]
    width = max(map(len, COMMANDS))
    lines += [f"  {name:{width}}  {purpose}" for name, purpose in COMMANDS.items()]
    lines += ["", "lionrock COMMAND --help tells more, with examples; lionrock --version prints the version."]
    return "\n".join(lines)


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one line, and where to read what they may be."""

    def error(self, message: str) -> NoReturn:
        """One line on the error stream, and the end."""
        print(f"{self.prog}: {message}; see {self.prog} --help", file=sys.stderr)
        raise SystemExit(USAGE_ERROR)


def _imported(name: str) -> Any:
    """The module of a subcommand, or of what they share.

    What is imported is not garbage: looking for some took a sixth of the time, and an eighth later on.
    """
    full_name = f"gateway.commands.{name}"
    if full_name in sys.modules:
        return sys.modules[full_name]
    gc.disable()
    try:
        return importlib.import_module(full_name)
    finally:
        gc.freeze()
        gc.enable()


def _parser(name: str) -> argparse.ArgumentParser:
    parser = Parser(prog="lionrock")
    _imported(name).add_parser(parser.add_subparsers(required=True))
    parser.prog = f"lionrock {name}"  # what this command does not know, it says in its own name
    return parser


def _interrupted() -> int:
    """The exit code after Ctrl-C. A thread that reads ahead is not waited for: the process ends here then."""
    from gateway.audit_trail.read_ahead import THREAD  # here, so that other commands do not wait for it

    code = 128 + signal.SIGINT
    if any(thread.name == THREAD for thread in threading.enumerate()):
        os._exit(code)
    return code


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0 if arguments else USAGE_ERROR
    if arguments[0] == "--version":
        from gateway.wire.versions import API_VERSION, RELEASE  # here, so that other commands do not wait for it

        print(f"lionrock {RELEASE} (API {API_VERSION})")
        return 0
    name = arguments[0]
    if name not in COMMANDS:
        print(f"lionrock: no command {name!r}; one of {', '.join(COMMANDS)}; see lionrock --help", file=sys.stderr)
        return USAGE_ERROR
    module = _imported(name)
    options = _parser(name).parse_args(arguments)
    try:
        with _imported("common").telling_compiles():
            code = int(module.run(options) or 0)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return _interrupted()
    except Exception as error:
        if os.environ.get(TRACEBACK_VARIABLE):
            raise
        told = " ".join(f"{type(error).__name__}: {error}".split())
        remedy = f"this is a fault of lionrock: set {TRACEBACK_VARIABLE}=1, run it again and report what it shows"
        print(f"lionrock {name}: {told}; {remedy}", file=sys.stderr)
        return INTERNAL_ERROR


if __name__ == "__main__":
    sys.exit(main())
