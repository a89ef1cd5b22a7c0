"""Figures of the machine, the data folder and the venue's health: disk, clock, what is wrong."""

from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import Metric

from engine import disk
from gateway.operations.families import NS_PER_S, gauge, gauges
from gateway.operations.health_pages import HealthPages
from gateway.venue.health import STATES
from gateway.venue.venue import Venue
from gateway.wire.versions import API_VERSION, RELEASE


def families(venue: Venue, health: HealthPages) -> Iterator[Metric]:
    """Version, health, the data folder's disk, and how the venue's time stands to the wall clock."""
    text = "The release that runs, and the version of its interface; always 1"
    yield gauges("build_info", text, ("version", "api_version"), [((RELEASE, API_VERSION), 1.0)])
    yield gauge("ready", "1 while new orders are taken, as /readyz says", float(not health.reasons()))
    states = [((state,), float(venue.health.state == state)) for state in dict.fromkeys(STATES.values())]
    yield gauges("health_state", "1 for the state that the venue is in", ("state",), states)
    troubles = [((trouble.name, trouble.effect.name.lower()), 1.0) for trouble in venue.health.troubles]
    text = "1 for each thing that is wrong; /healthz has cause and remedy"
    yield gauges("trouble", text, ("name", "effect"), troubles)
    free_bytes = disk.current().free_bytes(Path(venue.config.data))
    yield gauge("disk_free_bytes", "Bytes free on the data folder's disk", float(free_bytes))
    text = "No new orders are taken with fewer bytes free than this; 0: the disk is not looked at"
    yield gauge("disk_reserve_bytes", text, float(venue.config.disk_reserve_bytes))
    text = "How far the wall clock is ahead of the venue's time, in seconds; negative: behind"
    yield gauge("clock_away_seconds", text, venue.time.away_ns / NS_PER_S)
    text = "How far a log that a wrong clock wrote is still ahead of the wall clock, in seconds"
    yield gauge("clock_lead_seconds", text, venue.time.lead_ns / NS_PER_S)
