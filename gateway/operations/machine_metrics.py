"""Figures of the machine and of the venue's health: disk, snapshots, what is wrong."""

import os
from collections.abc import Iterator

from prometheus_client.core import Metric

from gateway.operations.families import NS_PER_S, gauge, gauges
from gateway.operations.health_pages import HealthPages
from gateway.sessions.methods.session import VERSION
from gateway.venue.health import STATES
from gateway.venue.venue import Venue


def families(venue: Venue, health: HealthPages) -> Iterator[Metric]:
    """Version, health, the data folder's disk, and how old the newest snapshot is."""
    yield gauges("build_info", "The release that runs; always 1", ("version",), [((VERSION,), 1.0)])
    yield gauge("ready", "1 while new orders are taken, as /readyz says", float(not health.reasons()))
    states = [((state,), float(venue.health.state == state)) for state in dict.fromkeys(STATES.values())]
    yield gauges("health_state", "1 for the state that the venue is in", ("state",), states)
    troubles = [((trouble.name, trouble.effect.name.lower()), 1.0) for trouble in venue.health.troubles]
    text = "1 for each thing that is wrong; /healthz has cause and remedy"
    yield gauges("trouble", text, ("name", "effect"), troubles)
    filesystem = os.statvfs(venue.config.data)
    free_bytes = filesystem.f_bavail * filesystem.f_frsize
    yield gauge("disk_free_bytes", "Bytes free on the data folder's disk", float(free_bytes))
    if venue.snapshots.last_ns:
        age_ns = venue.time.now_ns() - venue.snapshots.last_ns
        yield gauge("snapshot_age_seconds", "Seconds since the last command of the newest snapshot", age_ns / NS_PER_S)
