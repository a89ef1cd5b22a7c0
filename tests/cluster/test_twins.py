"""Two live nodes of one name: the second one is refused in one line, whether it would lead or follow."""

import asyncio
import shutil
import socket
from pathlib import Path
from random import Random

import pytest

from tests.cluster.nodes import leader, standby
from tests.cluster.servers import need_servers, one_server
from tests.cluster.small_stream import SmallStream
from tests.cluster.test_standby_venue import scripted
from tests.gateway.live import INDEX, config_of, set_up

need_servers()
pytest.importorskip("nats", reason="nats-py is not installed")
answers = pytest.importorskip("gateway.cluster.answers")
led_epochs = pytest.importorskip("gateway.cluster.led_epochs")
messages = pytest.importorskip("gateway.cluster.messages")
pipe = pytest.importorskip("gateway.cluster.pipe")
PublisherProcess = pytest.importorskip("gateway.cluster.publisher_process").PublisherProcess


def test_a_second_node_of_one_name_neither_leads_nor_follows(tmp_path, monkeypatch):
    for name, value in {"CLUSTER_REPLICAS": "1", "SCRIPTED_INDEX": INDEX, "DURABILITY": "os"}.items():
        monkeypatch.setenv(f"LIONROCK_{name}", value)
    monkeypatch.setenv("LIONROCK_CLUSTER_STANDBY_SILENCE_MS", "60000")
    monkeypatch.setenv("LIONROCK_CLUSTER_HEARTBEAT_MS", "1500")
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


class Raced(SmallStream):
    """A stream in which a live node of the same name writes its epoch just before this one would."""

    def __init__(self, stored, node):
        super().__init__(Random(1), 0.0)
        self.stored = list(stored)
        self._node, self._is_live = node, False
        self._hear = None

    async def ensure(self, replicas):
        """It is there."""

    async def publish(self, expected, message, answered):
        if not self._is_live:
            self._is_live = True
            last = self.stored[-1]
            self.stored.append(
                messages.EpochMessage(
                    epoch=last.author.epoch + 1,
                    node=self._node,
                    reason="start",
                    addresses=[],
                    time_ns=1,
                    segment=last.place.segment,
                    number=last.place.number,
                    last_seq=last.last_seq,
                    chain=last.chain,
                    process="another",
                )
            )
        await super().publish(expected, message, answered)

    @property
    def on_beat(self):
        return self._hear

    @on_beat.setter
    def on_beat(self, hear):
        self._hear = hear
        if getattr(self, "_is_live", False):
            beat = messages.Beat(epoch=2, node=self._node, last_seq=1, process="another")
            asyncio.get_running_loop().call_soon(hear, beat)


@pytest.mark.parametrize("is_noted", [False, True])
def test_a_twin_that_is_quicker_is_listened_for_again(tmp_path, is_noted):
    script = scripted(tmp_path / "one")
    if is_noted:
        led_epochs.note(tmp_path / "one", led_epochs.LedEpoch(1, "one", 1))

    async def story():
        ours, theirs = socket.socketpair()
        settings = pipe.Settings(servers=[], venue="t", node="one", replicas=1, process="this one")
        process = PublisherProcess(settings, ours)
        process._stream = stream = Raced(script.messages, "one")
        with pytest.raises(answers.SetupError, match="another process of this name"):
            await process._begin_epoch(pipe.Lead(journal=str(script.config.journal)))
        assert len(stream.stored) == len(script.messages) + 1
        ours.close()
        theirs.close()

    asyncio.run(story())
