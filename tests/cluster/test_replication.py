"""The venue's end of the replicated log, without a process behind it: when the journal may begin another record."""

from engine.host import RawRecord
from gateway.cluster.messages import Place
from gateway.cluster.replication import Replication
from gateway.config import Cluster, Config


def test_there_is_room_while_few_records_are_under_way() -> None:
    cluster = Cluster(servers="nats://127.0.0.1:1", venue="t", node="a", under_way=2)
    replication = Replication(Config(cluster=cluster), lambda error: None)
    found = []
    for number in range(4):
        found.append(replication.has_room())
        parts = (b"", b"head", b"rows")
        replication.on_record(RawRecord(1, number, number + 1, number + 1, bytes(32), parts))
    assert found == [True, True, False, False]
    replication._confirm(Place(1, 1))
    assert not replication.has_room() and replication.replicated_seq == 2
    replication._confirm(Place(1, 2))
    assert replication.has_room() and replication.replicated_seq == 3
