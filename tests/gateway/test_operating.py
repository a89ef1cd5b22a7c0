"""The operator's document from a clean folder: live feeds, TLS, and the service's command line, as they are written."""

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from contextlib import AsyncExitStack
from dataclasses import fields, replace
from pathlib import Path

import picows
import pytest

from engine.journal.precedence import PRIORITY
from gateway import cli
from gateway import config as settings
from gateway.commands.serving import BROKEN, DISK_FAILED, DIVERGED, NOT_LEADING
from gateway.index_feeds.adapters import ADAPTERS
from gateway.venue.beside_venue import NICENESS
from tests.gateway.identified import identity_file
from tests.gateway.index_feeds.feeds import FEEDS
from tests.gateway.live import BTC, play, running
from tests.recordings.data import compiled

ROOT_OF_GATEWAY = Path(__file__).parents[2] / "gateway"
DOCUMENT = (ROOT_OF_GATEWAY / "venue" / "README.md").read_text()
UNIT, CONTAINERFILE = (ROOT_OF_GATEWAY / "venue" / name for name in ("lionrock.service", "Containerfile"))
BIN = Path(sys.executable).parent
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("LIONROCK_D")} | {
    "PATH": f"{BIN}:{os.environ['PATH']}"
}
pytestmark = compiled


def block(heading, kind="sh"):
    """The first block of this kind below a heading, its continued lines joined."""
    section = DOCUMENT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    [text, *_] = re.findall(rf"^```{kind}\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    return text.replace("\\\n", " ")


def bash(lines, folder, check=True):
    """Run lines in a folder, as a reader would who has the texts that they name."""
    for name in re.findall(r"--text (\S+)", "\n".join(lines)):
        (folder / name).write_text(name)
    words = ["bash", "-euc", "\n".join(lines)]
    done = subprocess.run(words, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert not check or done.returncode == 0, done.stderr
    return done


def set_up(lines, folder):
    """Run the lines of the ceremony, for which each officer has brought a document."""
    for name in ("Ann", "Ben"):
        identity_file(folder, name)
    bash(lines, folder)


# --- live index feeds ---------------------------------------------------------------------------------------------


class LocalSource(picows.WSListener):
    """A price venue on this machine: sends a book to whoever subscribes, as the real one would."""

    def __init__(self, feed):
        super().__init__()
        self._feed = feed

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == picows.WSMsgType.TEXT and b"subscribe" in frame.get_payload_as_bytes():
            book = self._feed().snapshot(self._feed.pair, [(59_990, 1)], [(60_010, 1)])
            transport.send(picows.WSMsgType.TEXT, book)


async def local_sources(stack, monkeypatch):
    """Each source's address leads to a server of this test."""
    for feed in FEEDS:
        server = await picows.ws_create_server(lambda request, feed=feed: LocalSource(feed), "127.0.0.1", 0)
        stack.callback(server.close)
        monkeypatch.setattr(ADAPTERS[feed.name], "url", f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")


def test_the_live_index_comes_from_the_sources_that_the_document_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LIONROCK_DATA", raising=False)
    *setting_up, serve, watch = block("Live index feeds").splitlines()
    set_up(setting_up, tmp_path)
    args = cli._parser("serve").parse_args(shlex.split(serve.removesuffix("&"))[1:])
    config = replace(settings.from_args(args), port=0, durability="os")

    async def story():
        async with AsyncExitStack() as stack:
            await local_sources(stack, monkeypatch)
            server = await stack.enter_async_context(running(config))
            ticker = server.venue.projection.ticker(0)
            assert ticker.index_subticks == 60_000 * 2 * 1000
            url = ["--url", f"ws://127.0.0.1:{server.port}", "--json"]
            words = [str(BIN / "lionrock"), *shlex.split(watch.replace("--seconds 5", "--seconds 1"))[1:], *url]
            done = await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True, env=ENVIRONMENT)
            assert f'"instrument_name":"{BTC}"' in done.stdout and '"index_price":60000,' in done.stdout, done.stderr

    play(story(), 240)


def test_the_sources_of_the_document_are_those_that_are_built_in():
    rows = re.findall(r"^\| `(\w+)` \| `([\w.-]+)`, port (\d+) \| `([^`]+)`", DOCUMENT, re.MULTILINE)
    assert [name for name, *_ in rows] == list(ADAPTERS)
    for name, host, port, pair in rows:
        address = ADAPTERS[name].url.removeprefix("wss://").partition("/")[0]
        assert address in (f"{host}:{port}", host) and (address != host or port == "443")
        assert f"{name}:{pair}" in DOCUMENT


# --- TLS ----------------------------------------------------------------------------------------------------------


class Served:
    """A `lionrock serve` in a process of its own; what it says at its start is `said`."""

    def __init__(self, words, folder, **environment):
        self._process = subprocess.Popen(
            [*words, "--json"], cwd=folder, env=ENVIRONMENT | environment, stdout=subprocess.PIPE, text=True
        )
        self.said = self._process.stdout.readline()

    @property
    def port(self):
        return int(re.search(r'"port": (\d+)', self.said)[1])

    def stop(self):
        """SIGTERM; the exit code and what it says at its end."""
        self._process.send_signal(signal.SIGTERM)
        said = self._process.stdout.read()
        return self._process.wait(), said

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")


def certificate(folder):
    """Make it as the document says; the other lines: serve, and what comes after."""
    openssl, *rest = block("TLS").splitlines()
    bash([openssl], folder)
    return rest


@needs_openssl
def test_tls_from_a_clean_folder(tmp_path):
    serve, *clients = certificate(tmp_path)
    *setting_up, _, _ = block("Live index feeds").splitlines()
    set_up(setting_up, tmp_path)
    with Served([*shlex.split(serve.removesuffix("&")), "--port", "0"], tmp_path) as served:
        assert '"url": "wss://' in served.said
        watch, curl = (line.replace("8765", str(served.port)) for line in clients)
        assert f'"instrument_name":"{BTC}"' in bash([watch], tmp_path).stdout
        if shutil.which("curl"):
            assert '"result":' in bash([curl], tmp_path).stdout
        refused = bash([watch.removeprefix("SSL_CERT_FILE=certificate.pem ")], tmp_path, check=False)
        assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1
        assert "certificate is not accepted" in refused.stderr and "SSL_CERT_FILE" in refused.stderr
        assert served.stop()[0] == 0


# --- as a service -------------------------------------------------------------------------------------------------


def unit():
    """The service's settings; each name has its values in order."""
    found = {}
    for line in UNIT.read_text().splitlines():
        name, is_setting, value = line.partition("=")
        if is_setting:
            found.setdefault(name, []).append(value)
    return found


@needs_openssl
def test_the_services_command_line_serves_and_stops_cleanly(tmp_path):
    """As the unit has it, with the machine's folders below one of this test."""
    for name in ("opt/lionrock/bin", "etc/lionrock", "var/lib/lionrock", "var/cache/lionrock", "run/credentials"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "opt/lionrock/bin/lionrock").symlink_to(BIN / "lionrock")
    file = tmp_path / "etc/lionrock/lionrock.toml"
    file.write_text(re.sub(r"(?m)^port = .*", "port = 0", block("As a service", "toml")))
    certificate(tmp_path / "run/credentials")
    (given,) = unit()["Environment"]
    environment = dict(part.split("=", 1) for part in given.replace("/var/", f"{tmp_path}/var/").split())
    environment["CREDENTIALS_DIRECTORY"] = str(tmp_path / "run/credentials")
    assert environment.pop("LIONROCK_CACHE_DIR") == f"{tmp_path}/var/cache/lionrock"  # else it compiles anew here
    (line,) = unit()["ExecStart"]
    line = re.sub(r"(?<=[ ^])/(etc|opt)/", rf"{tmp_path}/\1/", f" {line}").strip()
    line = line.replace("${CREDENTIALS_DIRECTORY}", environment["CREDENTIALS_DIRECTORY"])
    assert "/opt/lionrock/bin/lionrock serve " in line and "$" not in line
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    *setting_up, _, _ = block("Live index feeds").splitlines()
    data = environment["LIONROCK_DATA"]
    set_up([f"export LIONROCK_DATA={data}", *setting_up], folder)
    with Served(line.split(), folder, **environment) as served:
        assert '"url": "wss://0.0.0.0:' in served.said and '"durability": "fsync"' in served.said
        fetch = f"curl --fail --silent --cacert {tmp_path}/run/credentials/certificate.pem"
        if shutil.which("curl"):
            assert "result" in bash([f"{fetch} https://localhost:{served.port}/api/v2/public/test"], folder).stdout
        code, said = served.stop()
        assert code == 0 and '"stopped": true' in said
    assert list(Path(data).glob("journal/*")) and not (folder / "lionrock-data").exists()


def test_the_unit_gives_what_the_venue_needs():
    given = unit()
    assert int(given["LimitNOFILE"][0]) > settings.Config().max_connections
    assert given["LimitNICE"] == [f"+{NICENESS}"], "the process of snapshots comes back from SCHED_IDLE to this"
    assert given["LimitRTPRIO"] == [str(PRIORITY)] and "RestrictRealtime" not in given
    assert [value.partition(":")[0] for value in given["LoadCredential"]] == ["certificate.pem", "key.pem"]
    assert "MemoryDenyWriteExecute" not in given
    assert given["RestartPreventExitStatus"] == [f"{BROKEN} {DISK_FAILED} {NOT_LEADING} {DIVERGED}"]
    assert given["OOMPolicy"] == ["continue"]
    assert given["NoNewPrivileges"] == ["yes"] and given["MemoryMax"] == ["90%"]
    written = tomllib.loads(block("As a service", "toml"))
    assert settings.load(None, {}, written).port == written["port"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze checks the unit")
def test_systemd_accepts_the_unit(tmp_path):
    text = UNIT.read_text().replace("/opt/lionrock/bin/lionrock", str(BIN / "lionrock"))
    (tmp_path / "lionrock.service").write_text(text.replace("User=lionrock", "User=root"))
    words = ["systemd-analyze", "verify", str(tmp_path / "lionrock.service")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert "lionrock" not in done.stderr, done.stderr


# --- in a container -----------------------------------------------------------------------------------------------


def instructions():
    """The container file's instructions: (name, rest), in order."""
    text = re.sub(r"^#.*\n", "", CONTAINERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line]


def test_the_image_gets_all_that_the_package_is_built_of():
    repository = ROOT_OF_GATEWAY.parent
    copied = [word for name, rest in instructions() if name == "COPY" for word in rest.split()[:-1]]
    project = tomllib.loads((repository / "pyproject.toml").read_text())
    packages = {word.removesuffix("*") for word in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    named = [project["project"]["readme"], *project["project"]["license-files"]]
    assert set(copied) == {"pyproject.toml", *named, *packages}
    assert all((repository / name).exists() for name in copied)
    users = [rest for name, rest in instructions() if name == "USER"]
    assert users == ["lionrock"] and any("useradd --system --uid 10001" in rest for _, rest in instructions())


def test_what_the_image_runs_serves_is_healthy_and_stops_cleanly(tmp_path):
    found = dict(instructions())
    environment = dict(part.split("=", 1) for part in found["ENV"].split())
    folders = json.loads(found["VOLUME"])
    assert {environment["LIONROCK_DATA"], environment.pop("LIONROCK_CACHE_DIR")} == set(folders)
    assert set(environment) <= {"PATH", "PYTHONUNBUFFERED"} | {f"LIONROCK_{name.upper()}" for name in settings_names()}
    assert found["EXPOSE"] == environment.pop("LIONROCK_PORT") and found["STOPSIGNAL"] == "SIGTERM"
    for name, word in (("LIONROCK_DATA", str(tmp_path / "data")), ("PATH", ENVIRONMENT["PATH"])):
        environment[name] = word
    environment |= {"LIONROCK_PORT": "0", "LIONROCK_OPERATIONS_PORT": "0", "LIONROCK_HOST": "127.0.0.1"}
    words = [*json.loads(found["ENTRYPOINT"]), *json.loads(found["CMD"])]
    with Served(words, tmp_path, **environment) as served:
        assert '"durability": "fsync"' in served.said
        port = re.search(r'"operations_port": (\d+)', served.said)[1]
        check = json.loads(found["HEALTHCHECK"].partition(" CMD ")[2])
        check = [word.replace("127.0.0.1:8766", f"127.0.0.1:{port}") for word in check]
        assert subprocess.run(check, env=ENVIRONMENT, timeout=300).returncode == 0
        assert served.stop()[0] == 0
    assert subprocess.run(check, env=ENVIRONMENT, capture_output=True, timeout=300).returncode != 0


def settings_names():
    return [field.name for field in fields(settings.Config)]
