"""The demo of a cluster: the command that it prints kills the leader, the standby leads, and nothing is left behind."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from gateway import cli
from tests.cluster.servers import need_servers
from tests.patience import patience_s

need_servers()


def mentions(folder):
    """The processes whose arguments or environment name a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            if str(folder).encode() in told and int(process.name) != os.getpid():
                found.append(int(process.name))
    return found


def test_the_leader_is_killed_as_printed_another_leads_it_follows_and_hands_back(tmp_path):
    folder = tmp_path / "demo"
    folder.mkdir()
    command = [sys.executable, "-m", "gateway.cli", "demo", "--cluster", "--port", "0", "--json"]
    errors = (tmp_path / "errors").open("w")
    with subprocess.Popen(
        command, env=os.environ | {"TMPDIR": str(folder)}, stdout=subprocess.PIPE, stderr=errors, text=True
    ) as demo:  # fmt: skip

        def told():
            line = demo.stdout.readline()
            assert line, (tmp_path / "errors").read_text()
            return json.loads(line)

        try:
            begun = told()
            assert begun["leads"] == "a" and len(begun["servers"]) == 3
            assert subprocess.run(shlex.split(begun["kill"]), check=False).returncode == 0
            killed = told()
            assert killed["leads"] == "b" and killed["pause_ms"] > 0
            assert told() == {"follows": "a"}
            handed = {"state": ""}
            while handed["state"] != "done":  # it begins to follow
                asked = subprocess.run(
                    [*shlex.split(killed["handover"]), "--json"], check=False, capture_output=True, text=True
                )
                assert asked.returncode in (0, 1), asked.stderr
                handed = json.loads(asked.stdout)
            assert handed["node"] == "a"
            assert told()["leads"] == "a"
        finally:
            demo.terminate()
        assert demo.wait(6 * patience_s()) == 0, (tmp_path / "errors").read_text()
        assert json.loads(demo.stdout.readlines()[-1])["takeovers"] == 2
    errors.close()
    assert list(folder.iterdir()) == [] and mentions(folder) == []


@pytest.mark.parametrize("kind", ["serve", "standby"])
def test_ctrl_c_while_a_node_starts_ends_everything(tmp_path, kind):
    folder = tmp_path / "demo"
    folder.mkdir()
    command = [sys.executable, "-m", "gateway.cli", "demo", "--cluster", "--port", "0", "--json"]
    errors = (tmp_path / "errors").open("w")
    with subprocess.Popen(
        command, env=os.environ | {"TMPDIR": str(folder)}, stdout=subprocess.PIPE, stderr=errors, text=True
    ) as demo:  # fmt: skip
        deadline = time.monotonic() + 6 * patience_s()
        while not any(kind in words(process) for process in mentions(folder)):
            assert demo.poll() is None and time.monotonic() < deadline, (tmp_path / "errors").read_text()
            time.sleep(0.01)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(patience_s()) == 0, (tmp_path / "errors").read_text()
        assert [json.loads(line) for line in demo.stdout.readlines()] == [{"trades": 0, "takeovers": 0}]
    errors.close()
    assert list(folder.iterdir()) == [] and mentions(folder) == []


def words(process):
    """The arguments of a process; none of one that has ended."""
    with suppress(OSError):
        return (Path("/proc") / str(process) / "cmdline").read_bytes().decode().split("\0")
    return []


def test_the_nodes_folders_are_the_demos_own(tmp_path, capsys):
    with pytest.raises(SystemExit) as refused:
        cli.main(["demo", "--cluster", "--data", str(tmp_path)])
    assert refused.value.code == 2
    assert "--data: the nodes of --cluster have folders of their own" in capsys.readouterr().err
