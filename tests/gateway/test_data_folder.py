"""A data folder with everything in it: no flipped bit is served, and nobody else reads a file, whatever the umask."""

import os
import shutil
import stat

import pytest

from engine import disk, host
from gateway.audit_trail.export import write
from gateway.commands.officer import write_key_file
from gateway.registry.authentication import new_ed25519_key
from gateway.registry.errors import RegistryError
from gateway.venue.side_files import readable_by_others
from tests.gateway.bit_flips import AUDITED, REFUSED, DataFolder, Flips
from tests.recordings.data import compiled

pytestmark = compiled
FLIPS = 4
"""Of each file; `python -m tests.gateway.bit_flips --flips N` is the long run."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder, made by a process without a umask."""
    host.warm_up()
    before = os.umask(0)
    try:
        yield DataFolder(tmp_path_factory.mktemp("folder"))
    finally:
        os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_every_file_is_its_owners_alone(made, tmp_path):
    for path in (made.data, *made.data.rglob("*")):
        assert mode(path) == (0o700 if path.is_dir() else 0o600), path
    assert {"journal", "gateway-log", "seals"} <= {path.name for path in made.data.iterdir()}
    write([{"record": "order"}], tmp_path / "export.jsonl", "jsonl")
    write_key_file(str(tmp_path / "ann.key"), new_ed25519_key())
    disk.write_new(tmp_path / "new", b"x")
    assert {mode(path) for path in tmp_path.iterdir()} == {0o600}
    assert mode(made.public) == mode(made.public.with_suffix("")) == 0o600
    with pytest.raises(FileExistsError):
        disk.write_new(tmp_path / "new", b"y")
    assert (tmp_path / "new").read_bytes() == b"x"


def test_a_folder_that_others_can_use_is_told_once_with_the_remedy(made, tmp_path):
    folder, key = tmp_path / "data", tmp_path / "tls.key"
    shutil.copytree(made.data, folder)
    key.write_bytes(b"")
    key.chmod(0o600)
    assert readable_by_others(folder, [key]) == ""
    (folder / "vault.key").chmod(0o644)
    assert readable_by_others(folder, [key]) == ""  # nobody else gets into the folder
    folder.chmod(0o755)
    told = readable_by_others(folder, [key])
    named = f"{folder} (0755), {folder / 'vault.key'} (0644)"
    assert told == f"others on this machine can use {named}; close it: chmod -R go= {folder}"
    folder.chmod(0o700)
    key.chmod(0o640)
    assert readable_by_others(folder, [key]).endswith(f"{key} (0640); close it: chmod -R go= {key}")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("registry.db", "registry.db: it is missing, and there is a journal; restore the whole data folder"),
        ("vault.key", "vault.key: it is missing, and the registry has secrets under it; put back the vault.key"),
    ],
)
def test_a_missing_file_is_refused_and_not_made_anew(made, name, why):
    kept = made.data.with_name("kept-file")
    (made.data / name).rename(kept)
    with pytest.raises(RegistryError, match=why):
        made.start()
    assert not (made.data / name).exists()
    kept.rename(made.data / name)
    assert made.start() == made.expected


def test_a_flipped_bit_in_any_file_is_refused_rebuilt_or_harmless(made):
    flips = Flips(made)
    for _ in flips.run(FLIPS, seed=1):
        pass
    assert flips.bad == []
    assert flips.table["vault.key"][REFUSED] == FLIPS
    assert all(found[AUDITED] for name, found in flips.table.items() if name.startswith("seals"))
    assert {name.partition("/")[0].partition("-")[0] for name in flips.table} >= {
        "journal", "registry.db", "alerts.db", "signatures.db", "vault.key", "gateway", "seals", "projection",
    }  # fmt: skip
