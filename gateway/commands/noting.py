"""Notes in the gateway's log what officers look at on the host."""

import sys
from pathlib import Path

from gateway import clock
from gateway.audit_trail.gateway_log import GatewayLog
from gateway.audit_trail.gateway_notes import Notes
from gateway.commands.officer import key_in_file
from gateway.config import Config
from gateway.registry.registry import Key, Registry


def note_read(data: Path | str, what: str, about: str, officer_file: str = "", key: Key | None = None) -> None:
    """Note that somebody looks at something in a venue's data folder; whose key it is is known from a key file.

    A folder without a registry is no venue, and nothing is noted. Where the log cannot be written, such as in a copy
    for reading alone, that is said on the error stream.
    """
    config = Config(data=str(data))
    if not config.registry.exists():
        return
    try:
        if officer_file and key is None:
            registry = Registry(config.registry)
            try:
                key = key_in_file(registry, officer_file, str(data))
            finally:
                registry.close()
        notes, now_ns = Notes(), clock.wall_ns()
        notes.read(key, f"host {what}", about, now_ns)
        GatewayLog(config.gateway_log).append(notes.take(), now_ns)
    except OSError as error:
        print(f"lionrock: not noted in the gateway's log: {error}", file=sys.stderr)
