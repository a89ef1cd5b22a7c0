"""The file for containers on three machines says what this release's commands and servers take."""

import json
import re
from pathlib import Path

import pytest

from gateway import cli
from gateway import config as settings
from gateway.cluster import messages, nats_server
from gateway.cluster.nats_server import Node

ROOT = Path(__file__).parents[2]
COMPOSE = json.loads((ROOT / "gateway" / "cluster" / "compose.yaml").read_text())
MACHINES = {"MACHINE_1": "10.0.0.1", "MACHINE_2": "10.0.0.2", "MACHINE_3": "10.0.0.3"}
HERE = {**MACHINES, "HERE": "10.0.0.2", "NAME": "b", "VENUE": "hk"}


def filled(text):
    """A text with the variables of one machine. KeyError for one that the document does not name."""
    return re.sub(r"\$\{(\w+)\}", lambda found: HERE[found[1]], text)


@pytest.mark.parametrize("service", ["leader", "standby"])
def test_the_nodes_commands_are_commands_of_this_release(service):
    command = [filled(word) for word in COMPOSE["services"][service]["command"]]
    assert command[0] in cli.COMMANDS
    args = cli._parser(command[0]).parse_args(command)
    cluster = settings.from_args(args).cluster
    assert cluster.server_list == [f"nats://{place}:4222" for place in MACHINES.values()]
    assert (cluster.venue, cluster.node_name) == ("hk", "b")
    assert cluster.address_list == ["ws://10.0.0.2:8765/ws/api/v2"]


def test_the_servers_file_says_what_a_venue_needs():
    told = filled(COMPOSE["configs"]["server"]["content"]).splitlines()
    wanted = nats_server.server_file(Node("b", Path("/data"), 4222, 6222, (6222,) * 3)).splitlines()

    def names(lines):
        return [line.split(":")[0].strip() for line in lines]

    assert names(told) == names(wanted)
    assert f"max_payload: {messages.MAX_PAYLOAD_BYTES}" in told and "  sync_interval: always" in told
    assert all(f"nats://{place}:6222" in "".join(told) for place in MACHINES.values())


def test_each_image_has_a_version_and_each_volume_a_place():
    services = COMPOSE["services"]
    assert re.fullmatch(r"nats:2\.15\.\d+", services["log"]["image"])
    named = {volume.partition(":")[0] for service in services.values() for volume in service["volumes"]}
    assert named == set(COMPOSE["volumes"])
    container = (ROOT / "gateway" / "venue" / "Containerfile").read_text()
    folders = {volume.partition(":")[2] for volume in services["leader"]["volumes"]}
    assert all(f'"{folder}"' in container for folder in folders)
