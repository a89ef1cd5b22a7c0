"""Where the client of the log's servers is not installed a cluster is refused in one line, and nothing is made."""

import sys

import pytest

from gateway import cli


@pytest.mark.parametrize("command", ["serve", "standby"])
def test_a_cluster_without_its_client_is_refused(command, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "nats", None)
    words = [command, "--cluster", "nats://127.0.0.1:1", "--venue", "t", "--data", str(tmp_path / "a")]
    with pytest.raises(SystemExit) as refused:
        cli.main(words)
    assert refused.value.code == 2
    assert "nats-py is not installed" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()
