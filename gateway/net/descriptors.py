"""How many files the process may open: enough for its connections, and for the journal whatever they do."""

import logging
import resource

from gateway.config import ConfigError

RESERVE = 128
"""Descriptors for what is no connection: journal, snapshots, registry, logs, index feeds, surveillance."""
_LOG = logging.getLogger("lionrock.server")


def room_for(wanted: int) -> int:
    """How many connections may be open, of those wanted. Raises the process's soft limit as far as its hard one allows.

    Fewer than wanted are said in one line, with the remedy. Raises ConfigError when there is room for none.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + RESERVE
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    remedy = f"raise LimitNOFILE of the service (ulimit -Hn) to {needed} or more, or lower max_connections"
    if soft <= RESERVE:
        raise ConfigError(f"this process may open {soft} files, of which the venue itself needs {RESERVE}; {remedy}")
    _LOG.warning(
        "max_connections is %d, but this process may open %d files, of which the venue itself needs %d: %d connections "
        "are taken; %s", wanted, soft, RESERVE, soft - RESERVE, remedy,
    )  # fmt: skip
    return soft - RESERVE
