"""`lionrock doctor` on sound and on spoilt folders: what it finds, what it advises, and that it changes nothing."""

import asyncio
import json
import os
import resource
from pathlib import Path

import pytest

from gateway import cli, clock
from gateway.commands import doctor_checks
from gateway.venue.health import Effect
from gateway.venue.venue import Venue
from tests.gateway.live import config_of, market, play, set_up


@pytest.fixture
def folder(tmp_path):
    """The data folder of a venue that has run and stopped."""
    config = config_of(tmp_path / "venue")
    config.registry.parent.mkdir(mode=0o700)
    set_up(config)
    venue = Venue(config)
    venue.start()
    venue.close()
    return Path(config.data)


def examined(folder, capsys, *words):
    """(exit code, findings by what was checked)."""
    code = cli.main(["doctor", "--data", str(folder), "--operations-port", "1", "--json", *words])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(line["remedy"] if line["state"] != "ok" else not line["remedy"] for line in lines)
    return code, {line["check"]: line for line in lines}


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def healthy_machine(monkeypatch):
    monkeypatch.setattr(doctor_checks, "RECOMMENDED_CORES", 1)
    monkeypatch.setattr(doctor_checks, "MEMORY_BYTES", 0)
    monkeypatch.setattr(doctor_checks, "SEGMENTS_FREE", 0)
    monkeypatch.setattr(doctor_checks, "sync_times_ms", lambda folder: (1.0, 2.0))
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 20_000))


def test_a_sound_folder_is_well_and_stays_as_it_is(folder, capsys, monkeypatch):
    healthy_machine(monkeypatch)
    before = contents(folder)
    code, found = examined(folder, capsys)
    assert (code, {finding["state"] for finding in found.values()}) == (0, {"ok"}), found
    assert {"venue", "disk sync", "registry", "keys", "journal", "snapshot", "clock", "permissions"} <= set(found)
    assert "2 accounts" in found["registry"]["found"] and contents(folder) == before
    assert cli.main(["doctor", "--data", str(folder), "--operations-port", "1", "--quick"]) == 0
    assert "disk sync" in capsys.readouterr().out


def spoil_journal(folder):
    [segment, *_] = sorted((folder / "journal").glob("*.journal")) or sorted((folder / "journal").iterdir())
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)


def spoil_clock(folder):
    ahead_s = clock.wall_ns() / 1e9 + 3600
    for path in (folder / "journal").iterdir():
        os.utime(path, (ahead_s, ahead_s))


def spoil_vault(folder):
    (folder / "vault.key").write_bytes(b"x" * 32)


def lose_vault(folder):
    (folder / "vault.key").unlink()


def open_to_others(folder):
    folder.chmod(0o755)
    (folder / "vault.key").chmod(0o644)


@pytest.mark.parametrize(
    ("spoil", "check", "state", "said"),
    [
        (spoil_journal, "journal", "failed", "journal"),
        (spoil_clock, "clock", "failed", "s after what is now"),
        (spoil_vault, "registry", "failed", "vault.key"),
        (lose_vault, "registry", "failed", "vault.key"),
        (open_to_others, "permissions", "warning", "vault.key"),
    ],
)
def test_what_is_spoilt_is_named_with_its_remedy(folder, capsys, monkeypatch, spoil, check, state, said):
    healthy_machine(monkeypatch)
    spoil(folder)
    code, found = examined(folder, capsys)
    assert (found[check]["state"], code) == (state, 2 if state == "failed" else 1), found
    assert said in found[check]["found"] and "lionrock-doctor-" not in found[check]["found"]
    others = {finding["state"] for name, finding in found.items() if name != check}
    assert others <= ({"ok"} if check != "journal" else {"ok", "warning"}), found


@pytest.mark.parametrize(
    ("median_ms", "limit", "wanted"),
    [
        (1.0, 20_000, {}),
        (20.0, 20_000, {"disk sync": "warning"}),
        (80.0, 1024, {"disk sync": "failed", "descriptors": "failed"}),
    ],
)
def test_a_slow_disk_and_few_descriptors_are_told(tmp_path, capsys, monkeypatch, median_ms, limit, wanted):
    healthy_machine(monkeypatch)
    monkeypatch.setattr(doctor_checks, "sync_times_ms", lambda folder: (median_ms, median_ms))
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, limit))
    _, found = examined(tmp_path / "not there yet", capsys)
    assert {name: finding["state"] for name, finding in found.items() if finding["state"] != "ok"} == wanted
    assert not (tmp_path / "not there yet").exists()


def test_the_disks_sync_is_measured_and_nothing_is_left_behind(tmp_path):
    median_ms, worst_ms = doctor_checks.sync_times_ms(tmp_path)
    assert 0 < median_ms <= worst_ms and list(tmp_path.iterdir()) == []


def test_old_keys_are_counted(folder, capsys, monkeypatch):
    healthy_machine(monkeypatch)
    now_ns = clock.wall_ns()
    monkeypatch.setattr(clock, "wall_ns", lambda: now_ns + 400 * doctor_checks.NS_PER_DAY)
    code, found = examined(folder, capsys, "--quick")
    assert code == 1 and found["keys"]["found"].startswith("2 in use, 2 of them older than 365 days, 0 of")


def test_a_running_venue_is_asked(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (server, _):
            config = config_of(tmp_path, operations_port=server.operations_port)
            is_running, finding = await asyncio.to_thread(doctor_checks.running, config)
            assert is_running and finding.state == "ok" and "takes orders" in finding.found
            server.venue.health.report("DISK_FAILED", Effect.READ_ONLY, "it failed", "replace it")
            is_running, finding = await asyncio.to_thread(doctor_checks.running, config)
            assert is_running and (finding.state, finding.remedy) == ("warning", "replace it")

    play(story())
