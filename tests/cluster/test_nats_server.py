"""Servers that are run on this machine."""

from pathlib import Path

import pytest

from gateway.cluster import nats_server
from tests.cluster.servers import free_port, need_servers

need_servers()


@pytest.mark.parametrize(
    ("own", "cores", "used"), [(None, 0, None), (None, 2, b"2"), ("3", 2, b"3")], ids=["all", "given", "environment's"]
)
def test_a_server_uses_as_many_cores_as_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str | None, cores: int, used: bytes | None
) -> None:
    monkeypatch.delenv("GOMAXPROCS", raising=False)
    if own:
        monkeypatch.setenv("GOMAXPROCS", own)
    process = nats_server.begin(nats_server.Node("n1", tmp_path, free_port()), cores)
    try:
        lines = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
    finally:
        process.kill()
        process.wait()
    found = dict(line.split(b"=", 1) for line in lines if line)
    assert found.get(b"GOMAXPROCS") == used
