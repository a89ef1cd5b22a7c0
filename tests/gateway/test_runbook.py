"""The runbook: each alarm of the venue is in it, what it names exists, and its commands work as they are written."""

import re
import shlex
import shutil
import subprocess

import pytest

from gateway import cli
from gateway.cluster import bases, handover, replication, standby_venue
from gateway.commands import serving
from gateway.commands.common import FAILED
from gateway.venue import clock_watch, disk_space, read_only, scrub, snapshots
from tests.gateway.bit_flips import DataFolder
from tests.gateway.test_operating import BIN, ENVIRONMENT, ROOT_OF_GATEWAY, Served, bash
from tests.recordings.data import compiled

RUNBOOK = (ROOT_OF_GATEWAY / "RUNBOOK.md").read_text()
FIRST_TABLE = RUNBOOK.partition("\n## What you see, and where to look\n")[2].partition("\n## ")[0]
SECTIONS = {part.partition("\n")[0]: part for part in RUNBOOK.split("\n## ")}
RESULTS = {"doctor": {0, 1, 2}, "verify": {0}}
"""Exit codes that a sound folder may have; the machine is the doctor's business too."""


def lines(part):
    blocks = re.findall(r"^```sh\n(.*?)^```", part, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()]


def sources():
    return "\n".join(path.read_text() for path in sorted(ROOT_OF_GATEWAY.rglob("*.py")))


def test_each_alarm_of_health_is_in_the_first_table():
    names = {disk_space.NAME, read_only.NAME, *scrub.NAMES.values(), scrub.FAILED, snapshots.TROUBLE, clock_watch.NAME}
    names |= {replication.NAME, standby_venue.NAME, handover.NAME, bases.TROUBLE}
    text = sources()
    names |= set(re.findall(r'health\.report\(\s*"([A-Z_]+)"', text))
    names |= set(re.findall(r'_reason\(\s*"([A-Z_]+)"', text))
    calls = len(re.findall(r"health\.report\(", text))
    assert calls == 11 and len(names) == 17, "a new alarm belongs here and into the runbook"
    assert {name for name in names if f"`{name}`" not in FIRST_TABLE} == set()


def test_each_exit_code_is_in_the_first_table():
    codes = (FAILED, serving.BROKEN, serving.DISK_FAILED, serving.NOT_LEADING, serving.DIVERGED, cli.INTERNAL_ERROR)
    for code in (0, *codes):
        assert f"| exit code {code}" in FIRST_TABLE, code


def test_what_it_quotes_of_the_log_is_logged_and_what_it_names_of_metrics_is_measured():
    text = sources()
    for row in re.findall(r"^\| (`[a-z][^`]*`.*?) \|", FIRST_TABLE, re.MULTILINE):
        for name in re.findall(r"`([^`]+)`", row):
            is_metric = re.fullmatch(r"[a-z_]+", name)
            known = f'"{name.removesuffix("_total")}"' if is_metric else name
            assert known in text, name


def test_every_section_of_the_table_is_there_and_every_section_is_reached():
    reached = set(re.findall(r"\]\(#([\w-]+)\)", RUNBOOK))
    made = {re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-") for name in SECTIONS if not name.startswith("#")}
    assert made - {"what-you-see-and-where-to-look", "every-day"} == reached


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return DataFolder(tmp_path_factory.mktemp("runbook"))


@compiled
def test_the_commands_for_a_folder_work(made, tmp_path, monkeypatch):
    shutil.copytree(made.data, tmp_path / "lionrock-data")
    monkeypatch.chdir(tmp_path)
    done = [line for line in lines(SECTIONS["Every day"]) if line.startswith("lionrock ")]
    for part in SECTIONS.values():
        done += [line for line in lines(part) if line.startswith("lionrock ") and " watch " not in line]
    for line in done:
        words = shlex.split(line)[1:]
        assert cli.main(words) in RESULTS.get(words[0], {0}), line
    assert len(done) > 10 and (tmp_path / "restored-data").is_dir()


@compiled
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl asks for the health pages")
def test_the_commands_for_a_running_venue_work(made, tmp_path):
    shutil.copytree(made.data, tmp_path / "lionrock-data")
    words = [str(BIN / "lionrock"), "serve", "--port", "0", "--operations-port", "0", "--durability", "os"]
    with Served(words, tmp_path) as served:
        operations_port = re.search(r'"operations_port": (\d+)', served.said)[1]
        curls = [line.replace("8766", operations_port) for line in lines(RUNBOOK) if line.startswith("curl ")]
        ready, health = [bash([line], tmp_path).stdout for line in curls]
        assert '"ready":' in ready and '"reasons":' in ready and '"troubles":' in health
        (watch,) = (line for line in lines(RUNBOOK) if line.startswith("lionrock watch "))
        url = ["--url", f"ws://127.0.0.1:{served.port}", "--json"]
        done = subprocess.run([str(BIN / "lionrock"), *shlex.split(watch)[1:], *url], env=ENVIRONMENT, timeout=120)
        assert done.returncode == 0
        assert served.stop()[0] == 0
