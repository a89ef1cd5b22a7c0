"""A secret is not printed into a file that others can read."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(("mode", "code"), [(0o644, 2), (0o600, 0)])
def test_key_create_heeds_who_can_read_its_output(tmp_path, mode, code):
    words = [sys.executable, "-m", "gateway.cli"]
    data = ["--data", str(tmp_path / "data")]
    subprocess.run([*words, "account", "create", "alice", *data], check=True, capture_output=True, timeout=120)
    target = tmp_path / "said"
    with target.open("wb") as output:
        target.chmod(mode)
        create = [*words, "key", "create", "alice", "--person", "Alice", *data]
        done = subprocess.run(create, stdout=output, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert done.returncode == code
    told = "the secret would go into a file that others can use (0644); name a new file with --output"
    assert (told in done.stderr, "secret" in target.read_text()) == (code == 2, code == 0)
    listing = [*words, "key", "list", *data, "--json"]
    listed = subprocess.run(listing, capture_output=True, text=True, timeout=120, check=True)
    assert (listed.stdout.strip() == "[]") == (code == 2)
