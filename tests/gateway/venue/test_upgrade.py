"""Folders of earlier releases: upgraded after a backup, or refused without a change."""

import json
import shutil
import struct
from dataclasses import replace

import pytest
from google_crc32c import value as crc32c

from engine.schema import SEMANTICS_VERSION
from gateway import cli
from gateway.config import Config
from gateway.venue import restore
from gateway.venue.upgrade import outdated
from tests.gateway.bit_flips import DataFolder
from tests.gateway.registry.older_file import older_file
from tests.recordings.data import compiled

pytestmark = compiled
HEADER_BYTES = 256
VERSION_AT = 12
"""Where headers have the semantics version."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return DataFolder(tmp_path_factory.mktemp("upgrade"))


@pytest.fixture
def data(made, tmp_path):
    shutil.copytree(made.data, tmp_path / "data")
    return tmp_path / "data"


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def patch_header(path, at, new):
    """Change a header of a segment or a snapshot as another release would have written it."""
    whole = bytearray(path.read_bytes())
    whole[at : at + len(new)] = new
    whole[HEADER_BYTES - 4 : HEADER_BYTES] = struct.pack("<I", crc32c(bytes(whole[: HEADER_BYTES - 4])))
    path.write_bytes(whole)


def run(capsys, *words):
    try:
        code = cli.main(["upgrade", *map(str, words)])
    except SystemExit as end:
        code = end.code
    told = capsys.readouterr()
    return code, json.loads(told.out) if told.out else None, told.err


def spoil(data):
    """The registry of version 4, and snapshots and read models of another layout."""
    with older_file(data / "registry.db", 4):
        pass
    for path in (data / "journal").glob("snapshot-*"):
        patch_header(path, VERSION_AT, struct.pack("<I", SEMANTICS_VERSION - 1))


def test_an_old_folder_is_upgraded_after_a_backup_and_answers_as_before(made, data, tmp_path, capsys):
    spoil(data)
    before = contents(data)
    code, told, _ = run(capsys, data, "--check", "--json")
    assert code == 1 and len(told["changes"]) == 2 and not told["upgraded"] and contents(data) == before
    code, told, _ = run(capsys, data, "--backup", tmp_path / "backups", "--json")
    assert code == 0 and told["upgraded"] and "tables of version 4 become version" in told["changes"][0]
    assert outdated(Config(data=str(data))) == [] and run(capsys, data, "--check", "--json")[0] == 0
    config, made.config = made.config, replace(made.config, data=str(data))
    try:
        assert made.start() == made.expected
    finally:
        made.config = config
    restore.restore(restore.chosen(tmp_path / "backups"), tmp_path / "old", None, False, lambda *_: None)
    assert len(outdated(Config(data=str(tmp_path / "old")))) == 2
    code, told, _ = run(capsys, data, "--backup", tmp_path / "more", "--json")
    assert (code, told["changes"], told["upgraded"]) == (0, [], False) and not (tmp_path / "more").exists()


def test_a_log_of_another_semantics_version_is_refused_and_stays(data, tmp_path, capsys):
    for path in (data / "journal").glob("journal-*.log"):
        patch_header(path, VERSION_AT, struct.pack("<I", SEMANTICS_VERSION - 1))
    before = contents(data)
    for words in (("--check",), ("--backup", tmp_path / "backups")):
        code, _, err = run(capsys, data, *words)
        assert code == 2 and len(err.splitlines()) == 1, err
        assert f"semantics version {SEMANTICS_VERSION - 1}" in err and "Another release, in" in err
    assert contents(data) == before and not (tmp_path / "backups").exists()


def test_a_folder_that_cannot_be_copied_is_not_touched(data, tmp_path, capsys):
    spoil(data)
    (data / "journal.tip").write_bytes(b"x" * 8192)
    before = contents(data)
    code, _, err = run(capsys, data, "--backup", tmp_path / "backups")
    assert code == 2 and "neither of its two slots" in err and contents(data) == before
