"""What a measurement starts ends with it, and it changes nothing of a person's terminal."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench import placement

ROOT = Path(__file__).parents[2]
ECHOES = """
import time
from bench.load_servers import Cores, running_echoes
if __name__ == "__main__":
    with running_echoes(Cores((0,), (0,), (0,))) as echoes:
        print(echoes.bare.pid, flush=True)
        time.sleep(600)
"""
ANOTHER_PROGRAM = """
import subprocess, sys, time
from bench.lifetime import end_with_parent
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], preexec_fn=end_with_parent)
print(child.pid, flush=True)
time.sleep(600)
"""


def has_ended(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


@pytest.mark.parametrize("code", [ECHOES, ANOTHER_PROGRAM], ids=["echoes", "another program"])
def test_a_killed_measurement_leaves_no_process_behind(tmp_path, code):
    script = tmp_path / "measure.py"  # a process of `multiprocessing` imports it again
    script.write_text(code)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    measuring = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=environment)
    pid = int(measuring.stdout.readline())
    assert not has_ended(pid)
    measuring.kill()
    measuring.communicate()
    until = time.monotonic() + 60
    while not has_ended(pid):
        assert time.monotonic() < until, "it goes on by itself"
        time.sleep(0.02)


@pytest.mark.parametrize("leader", ["this process", "the terminal's shell"])
def test_only_a_session_of_its_own_is_put_before_others(monkeypatch, leader):
    told, own = [], leader == "this process"
    monkeypatch.setattr(os, "getsid", lambda pid: os.getpid() if own else os.getppid())
    monkeypatch.setattr(placement, "_session_nice", lambda: 3)
    monkeypatch.setattr(placement, "_set_session_nice", lambda pid, nice: told.append(nice))
    with placement.before_others():
        pass
    assert told == ([placement.NICE, 3] if own else [])
