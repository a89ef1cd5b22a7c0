"""The command line: every command that the overview names exists and explains itself."""

import contextlib
import importlib
import os
import socket
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path

import numba
import pytest

from engine.schema import SEMANTICS_VERSION
from engine.units import JIT
from gateway import cli
from gateway.commands import common, schema
from gateway.commands.common import COMPILES
from tests.gateway.live import key_file


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    importlib.import_module(f"gateway.commands.{name}")
    with pytest.raises(SystemExit) as stopped:
        cli.main([name, "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert f"lionrock {name}" in text
    assert "examples:" in text


def test_overview_and_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in cli.COMMANDS)
    assert cli.main([]) == cli.USAGE_ERROR
    assert cli.main(["nonsense"]) == cli.USAGE_ERROR
    assert "nonsense" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, said",
    [
        ("serve --port x", "lionrock serve: argument --port: invalid int value: 'x'; see lionrock serve --help"),
        ("admin record-kyc", "required: --client"),
        ("admin nonsense", "invalid choice: 'nonsense'"),
        ("explain", "required: ACCOUNT; see lionrock explain --help"),
        ("explain 1 2", "lionrock explain: unrecognized arguments: 2; see lionrock explain --help"),
        ("account", "required: create|deposit|list; see lionrock account --help"),
        ("nonsense", "see lionrock --help"),
        ("admin show {big} --data {folder}", "is not a whole number from 1 to"),
        ("admin approve 0 --data {folder}", "is not a whole number from 1 to"),
        ("admin lapses --days {big} --data {folder}", "from 0 to 10000"),
        ("admin list-changes --count {big} --data {folder}", "from 1 to 1000000"),
        ("alerts show {big} --data {folder}", "is not a whole number from 1 to"),
        ("audit explain {big} --data {folder}", "is not a whole number from 1 to"),
        ("explain {big} --data {folder}", "is no account's number"),
        ("account list --data {folder}/junk", "registry.db: file is not a database"),
        ("alerts list --data {folder}/junk", "alerts.db: file is not a database"),
        ("alerts list --data {folder}", "--data: {folder} is no data folder of a venue"),
    ],
)
def test_bad_arguments_and_files_are_one_line(
    words: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "junk").mkdir()
    for name in ("registry.db", "alerts.db"):
        (tmp_path / "junk" / name).write_bytes(b"junk" * 100)
    with contextlib.suppress(SystemExit):
        assert cli.main(words.format(big="9" * 25, folder=tmp_path).split()) == 2
    err = capsys.readouterr().err
    assert said.format(folder=tmp_path) in err and len(err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["junk"]


def test_the_version_is_the_installed_one_and_that_of_the_interface(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    told = capsys.readouterr().out
    assert told == f"lionrock {version('lionrock')} (API 1.{SEMANTICS_VERSION}.0)\n"


def test_names_of_commands_stand_apart_from_what_they_are_for(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert all(any(line.split() == [name, *text.split()] for line in lines) for name, text in cli.COMMANDS.items())


def test_a_pipe_that_nobody_reads_ends_a_command_quietly() -> None:
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-m", "gateway.cli", "schema"]
    done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, check=False, timeout=300)
    os.close(write)
    said = [line for line in done.stderr.decode().splitlines() if line != COMPILES]
    assert (done.returncode, said) == (0, [])


def test_a_replay_does_not_wait_for_what_it_does_not_need(tmp_path: Path) -> None:
    """Readers of other formats, pictures, a venue's client and registry."""
    orders = tmp_path / "orders.bin"
    orders.write_bytes(b"100_WBEM")
    program = (
        "import sys; from gateway.commands import replay; from engine.recordings import open_recording;"
        f"open_recording({str(orders)!r}); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    others = {"itch", "databento", "lobster", "lives_reader", "drawing", "strategy"}
    unneeded = {f"engine.recordings.{name}" for name in others}
    unneeded |= {"gateway.client", "gateway.registry.registry", "gateway.commands.connection"}
    loaded = set(done.stdout.split())
    assert "engine.recordings.flash1" in loaded and not loaded & unneeded


@pytest.mark.parametrize(
    "words, said",
    [
        ("trade --url ws://127.0.0.1:{port} --secret-file {folder}/k.key orders", "--url ws://127.0.0.1:{port}:"),
        ("watch --url ws://venue.invalid:1", "--url ws://venue.invalid:1: the host is not known"),
        ("watch --url venue", "--url venue: "),
        ("replay synthetic:1:9 --to ws://127.0.0.1:{port} --secret-file {folder}/k.key", "--to ws://127.0.0.1:{port}:"),
        ("account create a --data {orders}", "--data {orders}: not a folder"),
        ("account create a --data {folder}/d --as {folder}/none --reason r", "--as: {folder}/none: no such file"),
        ("schema --output {folder}/none/x", "--output {folder}/none/x: no such file"),
        ("replay {orders} --reports {folder}", "--reports {folder}: is a directory"),
        ("serve --data {orders}", "--data {orders}: not a folder"),
        ("demo --data {orders}", "--data {orders}: not a folder"),
        ("demo --port 99999", "--port 99999: must be from 0 to 65535"),
        ("watch --url ws://127.0.0.1:99999", "--url ws://127.0.0.1:99999: Port out of range"),
        (
            "serve --data {folder}/d --port 0 --tls-certificate {folder}/c --tls-key {folder}/k",
            "tls_certificate {folder}/c, tls_key {folder}/k: No such file",
        ),
    ],
)
def test_what_the_system_refuses_names_the_flag_and_the_value(
    words: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orders = tmp_path / "orders.csv"
    orders.write_text("time_ns,type,id,side,price,quantity\n1,add,1,buy,100,1\n")
    key_file(tmp_path, "k", "s")
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        places = {"port": bound.getsockname()[1], "orders": orders, "folder": tmp_path}
        with contextlib.suppress(SystemExit):
            assert cli.main(words.format(**places).split()) == cli.USAGE_ERROR
    text = capsys.readouterr().err
    assert said.format(**places) in text and "Errno" not in text
    assert len([line for line in text.splitlines() if line != COMPILES]) == 1


def test_a_port_that_is_taken_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit):
            cli.main(["serve", "--data", str(tmp_path), "--port", str(port)])
    text = capsys.readouterr().err
    assert f"port {port}: address already in use; choose another" in text


def test_an_error_that_nobody_foresaw_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(args: object) -> int:
        raise TypeError("first\nsecond")

    monkeypatch.setattr("gateway.commands.schema.run", fail)
    assert cli.main(["schema"]) == cli.INTERNAL_ERROR
    told = capsys.readouterr().err
    assert told.startswith("lionrock schema: TypeError: first second; this is a fault of lionrock: set LIONROCK_TRACE")
    assert told.count("\n") == 1
    monkeypatch.setenv("LIONROCK_TRACEBACK", "1")
    with pytest.raises(TypeError):
        cli.main(["schema"])


def test_who_waits_for_the_compiler_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(common, "LONG_SECONDS", 0.0)

    def compile_two() -> None:
        for number in range(2):
            teller.on_start(None)
            teller.on_start(None)  # one that it calls
            teller.on_end(None)
            if not number:
                until = time.monotonic() + 60
                while not (said := capsys.readouterr().err) and time.monotonic() < until:
                    time.sleep(0.01)
                told.append(said)
            teller.on_end(None)

    teller, told = common._CompileTeller(), list[str]()
    compile_two()
    assert told == [COMPILES + "\n"] and capsys.readouterr().err == ""


@pytest.mark.skipif(not JIT, reason="without compiled code nothing is compiled")
def test_a_command_says_that_it_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any command, in whatever thread that is."""

    def compiling(options: object) -> int:
        thread = threading.Thread(target=lambda: numba.njit(lambda number: number + 1)(1))
        thread.start()
        thread.join()
        return 0

    begun: list[object] = []
    monkeypatch.setattr(common._CompileTeller, "on_start", lambda teller, event: begun.append(event))
    monkeypatch.setattr(schema, "run", compiling)
    assert cli.main(["schema"]) == 0 and begun
