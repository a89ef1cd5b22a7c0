"""Two live nodes of one name: the second one is refused in one line, whether it would lead or follow."""

import shutil
from pathlib import Path

import pytest

from tests.cluster.nodes import leader, standby
from tests.cluster.servers import need_servers, one_server
from tests.gateway.live import INDEX, config_of, set_up

need_servers()
pytest.importorskip("nats", reason="nats-py is not installed")


def test_a_second_node_of_one_name_neither_leads_nor_follows(tmp_path, monkeypatch):
    for name, value in {"CLUSTER_REPLICAS": "1", "SCRIPTED_INDEX": INDEX, "DURABILITY": "os"}.items():
        monkeypatch.setenv(f"LIONROCK_{name}", value)
    monkeypatch.setenv("LIONROCK_CLUSTER_STANDBY_SILENCE_MS", "60000")
    nodes = []
    with one_server(tmp_path / "n1") as server:
        config = config_of(tmp_path / "first")
        Path(config.data).mkdir(mode=0o700)
        set_up(config, ["alice"])
        try:
            nodes.append(leader("a", tmp_path / "first", server.address))
            nodes[0].listens()
            shutil.copytree(tmp_path / "first", tmp_path / "copied")
            nodes.append(leader("a", tmp_path / "copied", server.address))
            nodes.append(standby("a", tmp_path / "third", server.address, "--vault", str(config.vault)))
            for node in nodes[1:]:
                assert node.process.wait() == 2, node.errors
                assert "another process of this name" in node.errors and "--node" in node.errors
            assert nodes[0].process.poll() is None
            assert nodes[0].stop() == 0, nodes[0].errors
        finally:
            for node in nodes:
                if node.process.poll() is None:
                    node.kill()
