"""Configuration: defaults, then a TOML file, then `LIONROCK_*` in the environment, then flags; the last one wins."""

import argparse
import os
import platform
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from gateway.affiliates.parameters import Programme
from gateway.surveillance.parameters import Parameters
from gateway.wire import log_lines
from gateway.wire.origins import Origins
from gateway.wire.plain_text import plain

Durability = Literal["fsync", "os", "none"]
"""What an answer waits for: the disk, the operating system, or nothing."""
Rate = Annotated[int, Meta(ge=1, le=100_000_000)]


class ConfigError(Exception):
    """A setting that cannot be: one line that names it, its value and the remedy, whatever the file says."""

    def __init__(self, line: str) -> None:
        line = plain(line)
        super().__init__(line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + "...")


LONGEST_LINE = 400
SHOWN_CHARS = 60
"""So much of a name or a value is quoted."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""What no text setting may have: neither a line of the log nor a TOML file could show it."""


def _quoted(value: Any) -> str:
    """A value as a line quotes it: cut where it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of so many digits
        return "a number of thousands of digits"
    return _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "..."


Acknowledge = Literal["replicated", "local"]
"""What an answer waits for in a cluster: the stream's majority beside the own disk, or the own disk alone."""
_NAME = re.compile("[A-Za-z0-9_-]{1,32}")


@dataclass(frozen=True)
class Cluster:
    """The replicated log: a JetStream stream that orders what a venue's nodes write. Without servers there is none."""

    servers: Annotated[
        str, Meta(description="the stream's servers, nats://HOST:PORT with commas between; empty: one machine alone")
    ] = ""
    venue: Annotated[
        str, Meta(description="the venue's name, the same on all its nodes: its stream is LOG_<venue>")
    ] = ""
    node: Annotated[str, Meta(description="this node's own name; empty: the machine's")] = ""
    replicas: Annotated[
        int, Meta(ge=1, le=5, description="on how many servers the stream is; 3 survive the loss of 1")
    ] = 3
    acknowledge: Annotated[
        Acknowledge,
        Meta(
            description="what an answer waits for: replicated (own disk and the stream's majority) or local (own disk; "
            "a takeover may lose the last moments)"
        ),
    ] = "replicated"
    advertise: Annotated[
        str, Meta(description="where clients find this node: websocket addresses with commas between")
    ] = ""
    follows_only: Annotated[
        bool, Meta(description="this standby never leads: a mirror elsewhere, to begin from when all else is lost")
    ] = False
    heartbeat_ms: Annotated[int, Meta(ge=10, le=10_000, description="the leader says so often that it is there")] = 50
    standby_silence_ms: Annotated[
        int, Meta(ge=50, le=60_000, description="a standby takes over when it has heard no heartbeat for so long")
    ] = 300
    under_way: Annotated[
        int, Meta(ge=1, le=4096, description="records on their way to the stream; what comes meanwhile joins the next")
    ] = 2
    window_bytes: Annotated[
        int, Meta(ge=1 << 20, le=1 << 32, description="nothing is taken while more than this is not in the stream")
    ] = 1 << 26
    stall_ms: Annotated[
        int, Meta(ge=100, le=600_000, description="nothing is taken while a record has waited so long for the stream")
    ] = 1000
    bases: Annotated[
        int,
        Meta(
            ge=0, le=16, description="so many of the newest snapshots are kept in the servers' object store, with what "
            "else a new standby begins from; 0: none"
        ),
    ] = 0
    retain_commands: Annotated[
        int,
        Meta(
            ge=0, le=1 << 40, description="the stream keeps at least so many of the latest commands, and all that a "
            "base or a connected standby needs; what is older is purged; 0: it keeps everything"
        ),
    ] = 0
    standby_lease_seconds: Annotated[
        int,
        Meta(
            ge=0, le=86_400, description="what a standby needs that was heard stays in the stream for so long, also "
            "while it is silent; a new leader purges nothing for so long"
        ),
    ] = 600

    @property
    def is_on(self) -> bool:
        """Whether there is a replicated log."""
        return bool(self.servers)

    @property
    def server_list(self) -> list[str]:
        """The servers' addresses."""
        return listed(self.servers)

    @property
    def address_list(self) -> list[str]:
        """Where clients find this node."""
        return listed(self.advertise)

    @property
    def node_name(self) -> str:
        """This node's name."""
        return self.node or re.sub("[^A-Za-z0-9_-]", "-", platform.node())[:32] or "node"


def listed(text: str) -> list[str]:
    """What a setting with commas between lists."""
    return [entry.strip() for entry in text.split(",") if entry.strip()]


@dataclass(frozen=True)
class Config:
    """Every setting of `lionrock serve`, with its default, its meaning and, where it is a number, its bounds."""

    data: Annotated[str, Meta(description="folder of the journal, the registry and the vault key")] = "lionrock-data"
    host: Annotated[str, Meta(description="address to listen on")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="port to listen on; 0 picks a free one")] = 8765
    tls_certificate: Annotated[str, Meta(description="PEM file of the certificate chain; empty: no TLS")] = ""
    tls_key: Annotated[str, Meta(description="PEM file of the certificate's private key")] = ""
    operations_host: Annotated[
        str, Meta(description="address for officers, metrics and health; keep it from the public")
    ] = "127.0.0.1"
    operations_port: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="port for officers, metrics and health; 0: the one above `port`, or a free one if that is 0",
        ),
    ] = 0
    allowed_origins: Annotated[
        str,
        Meta(
            description="web pages that may trade here beside the venue's own: origins with commas between; *: any"
        ),
    ] = ""
    durability: Annotated[Durability, Meta(description="what an answer waits for: fsync, os or none")] = "fsync"
    busy_poll_us: Annotated[
        int,
        Meta(
            ge=0,
            le=10**6,
            description="look for more so long after a message before the loop sleeps: quicker answers for a core; "
            "0: off",
        ),
    ] = 0
    log_format: Annotated[
        log_lines.Format, Meta(description="what the venue says on its error stream: text or json")
    ] = "text"
    log_level: Annotated[
        log_lines.Level, Meta(description="what it says there at least: debug, info, warning or error")
    ] = "info"
    testnet: Annotated[bool, Meta(description="say testnet in every answer")] = False
    batch_rows: Annotated[int, Meta(ge=2, le=1 << 16, description="commands in one batch at most")] = 4096
    report_rows: Annotated[
        int, Meta(ge=1 << 10, le=1 << 28, description="order reports kept for `venue/resume`, 216 bytes each")
    ] = 1 << 20
    history_rows: Annotated[
        int,
        Meta(
            ge=0, le=1 << 32,
            description="history rows in memory (216 bytes each: an ended order, a side of a trade, a payment); older "
            "ones are in DATA/history.db; 0: all in memory",
        ),
    ] = 1 << 19
    history_days: Annotated[
        int, Meta(ge=0, le=36_500, description="days that DATA/history.db keeps rows; 0: for ever")
    ] = 0
    segment_bytes: Annotated[int, Meta(ge=1 << 16, le=1 << 40, description="bytes of a journal segment")] = 1 << 28
    snapshot_commands: Annotated[
        int,
        Meta(
            ge=0, le=1 << 40, description="commands since the last snapshot after which a process of its own writes "
            "one beside the venue; a start replays those behind it; 0: only when the venue stops"
        ),
    ] = 500_000
    snapshot_seconds: Annotated[
        int,
        Meta(ge=0, le=31_536_000, description="write one at least so often, whatever the number of commands; 0: never"),
    ] = 3600
    archive_after_segments: Annotated[
        int,
        Meta(
            ge=0, le=1 << 30, description="journal segments that no start needs and that stay as they are; older ones "
            "are compressed into the archive by the process that writes snapshots"
        ),
    ] = 8
    disk_reserve_bytes: Annotated[
        int, Meta(ge=0, le=1 << 50, description="no new orders while less than this is free on the data's disk; 0: off")
    ] = 1 << 28
    scrub_hours: Annotated[
        int, Meta(ge=0, le=8760, description="old segments and snapshots are checked every so many hours; 0: never")
    ] = 24
    scrub_bytes_per_s: Annotated[int, Meta(ge=1 << 16, le=1 << 40, description="how quickly they are read")] = 1 << 23
    max_frame_bytes: Annotated[
        int, Meta(ge=1 << 10, le=1 << 26, description="largest websocket message or HTTP body")
    ] = 1 << 18
    max_connections: Annotated[int, Meta(ge=1, le=1 << 20, description="open connections")] = 10_000
    max_connections_per_address: Annotated[
        int,
        Meta(ge=0, le=1 << 20, description="open connections of one address, of IPv6 of one /64 network; 0: no limit"),
    ] = 256
    max_subscriptions: Annotated[int, Meta(ge=1, le=1 << 16, description="channels of one connection")] = 500
    scripted_index: Annotated[
        str,
        Meta(
            description="index that wanders from NAME=PRICE,..., and after a restart on from the log's last: for "
            "demonstrations; empty: none"
        ),
    ] = ""
    index_feeds: Annotated[
        str,
        Meta(
            description="live index: NAME=VENUE:PAIR,...;... with venues kraken, okx, coinbase; at least 3 a contract; "
            "empty: none"
        ),
    ] = ""
    idle_seconds: Annotated[
        int,
        Meta(
            ge=0, le=86_400,
            description="close a connection without a login that hears no channel and has asked nothing for so long; "
            "0: never",
        ),
    ] = 60
    login_seconds: Annotated[
        int, Meta(ge=0, le=86_400, description="close a connection that has not logged in after so long; 0: never")
    ] = 0
    orders_per_s: Annotated[Rate, Meta(description="orders and amendments of one key")] = 20_000
    orders_burst: Annotated[Rate, Meta(description="orders at once")] = 40_000
    cancels_per_s: Annotated[Rate, Meta(description="cancels of one key")] = 100_000
    cancels_burst: Annotated[Rate, Meta(description="cancels at once")] = 200_000
    queries_per_s: Annotated[
        Rate, Meta(description="other requests of one key; every 4 KiB of an answer count as one more")
    ] = 2_000
    confirm_value: Annotated[
        int,
        Meta(ge=0, le=10**12, description="orders worth more need confirm: true, in whole settlement currency; 0: off"),
    ] = 0
    confirm_distance_bp: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="orders priced farther from the mark need confirm: true, in basis points; 0: off",
        ),
    ] = 0
    queries_burst: Annotated[Rate, Meta(description="other requests at once")] = 4_000
    anonymous_queries_per_s: Annotated[
        Rate, Meta(description="requests of one address without a login; every 4 KiB of an answer count as one more")
    ] = 1_000
    anonymous_queries_burst: Annotated[Rate, Meta(description="requests without a login at once")] = 4_000
    logins_per_s: Annotated[
        Rate, Meta(description="logins of one address; HTTP calls that are signed wrongly count as well")
    ] = 50
    logins_burst: Annotated[Rate, Meta(description="logins at once")] = 500

    gateway_log_days: Annotated[
        int,
        Meta(
            ge=0, le=36_500, description="days that a file of the gateway's log is kept: refusals, logins, officers' "
            "reads; 0: for good"
        ),
    ] = 2557

    max_clock_step_ms: Annotated[
        int,
        Meta(ge=100, le=60_000, description="a wall clock that jumps further is not followed; ahead: no new orders"),
    ] = 1_000
    max_stop_days: Annotated[
        int,
        Meta(
            ge=0, le=36_500, description="at a start, a wall clock that is further ahead of the log's last command is "
            "believed only with --accept-time wall; 0: always"
        ),
    ] = 30

    surveillance: Parameters = field(default_factory=Parameters)
    affiliates: Programme = field(default_factory=Programme)
    cluster: Cluster = field(default_factory=Cluster)

    @property
    def journal(self) -> Path:
        """The journal's folder."""
        return Path(self.data) / "journal"

    @property
    def registry(self) -> Path:
        """The registry's file."""
        return Path(self.data) / "registry.db"

    @property
    def history(self) -> Path:
        """The file of older history."""
        return Path(self.data) / "history.db"

    @property
    def gateway_log(self) -> Path:
        """The folder of the gateway's log."""
        return Path(self.data) / "gateway-log"

    @property
    def vault(self) -> Path:
        """The vault's key file."""
        return Path(self.data) / "vault.key"


TABLES: dict[str, type[Any]] = {"surveillance": Parameters, "affiliates": Programme, "cluster": Cluster}
"""Settings with a table of their own in the file; in the environment their names are joined."""
_CLUSTER_FLAGS = {"servers": "--cluster", "venue": "--venue", "node": "--node", "advertise": "--advertise"}
"""Those of the cluster that differ from node to node, or that every command needs, have a flag."""
_PLAIN = [item for item in fields(Config) if item.name not in TABLES]
_MAX_DIGITS = 18
_TYPES = {kind: get_type_hints(kind, include_extras=True) for kind in (Config, *TABLES.values())}


def load(path: str | None, environment: Mapping[str, str], flags: Mapping[str, Any]) -> Config:
    """The configuration in force; flags that are None were not given."""
    values: dict[str, Any] = {}
    if path:
        values.update(_read_toml(path))
    for name, kind in TABLES.items():
        given = {item.name: flags[f"cluster_{item.name}"] for item in fields(kind) if flags.get(f"cluster_{item.name}")}
        values[name] = _table(name, kind, values.get(name, {}), environment, given if kind is Cluster else {})
    for item in _PLAIN:
        text = environment.get(f"LIONROCK_{item.name.upper()}")
        if text is not None:
            values[item.name] = _from_text(item.name, text, type(item.default))
        if flags.get(item.name) is not None:
            values[item.name] = flags[item.name]
    config = _checked(Config, values)
    if bool(config.tls_certificate) != bool(config.tls_key):
        raise ConfigError("tls_certificate and tls_key: give both or neither")
    _check_cluster(config.cluster)
    try:
        Origins(config.allowed_origins)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return config


def _check_cluster(cluster: Cluster) -> None:
    """Refuse names that no stream may have, and addresses that are none of a server's. ConfigError."""
    if not cluster.is_on:
        return
    for name, value in (("venue", cluster.venue), ("node", cluster.node_name)):
        if _NAME.fullmatch(value) is None:
            raise ConfigError(f"cluster.{name}: {_quoted(value)}; 1 to 32 of the characters A-Z a-z 0-9 _ - are needed")
    for server in cluster.server_list:
        if not server.startswith(("nats://", "tls://")):
            raise ConfigError(f"cluster.servers: {_quoted(server)}; write nats://HOST:PORT or tls://HOST:PORT")
    if cluster.retain_commands and not cluster.bases:
        raise ConfigError(
            f"cluster.retain_commands: {cluster.retain_commands}, and cluster.bases is 0: a purged stream without a "
            "base starts no standby; set bases to 1 or more, or retain_commands to 0"
        )


def _read_toml(path: str) -> dict[str, Any]:
    try:
        data = tomllib.loads(Path(path).read_text())
    except OSError as error:
        raise ConfigError(f"config: {path}: {error.strerror}; check the path") from None
    except ValueError as error:
        raise ConfigError(f"config: {path}: {error}") from None
    except RecursionError:
        raise ConfigError(f"config: {path}: its arrays nest too deeply; no setting takes one") from None
    return data


def _table(
    name: str, kind: type[Any], given: Any, environment: Mapping[str, str], flags: Mapping[str, Any]
) -> Any:  # fmt: skip
    """The settings of a table, from the file, then the environment, then flags."""
    if not isinstance(given, dict):
        raise ConfigError(f"{name}: it must be a table: write [{name}] and its settings below")
    values = dict(given)
    for item in fields(kind):
        text = environment.get(f"LIONROCK_{name.upper()}_{item.name.upper()}")
        if text is not None:
            values[item.name] = _from_text(f"{name}_{item.name}", text, type(item.default))
    return _checked(kind, values | dict(flags), f"{name}.")


def _from_text(name: str, text: str, kind: type) -> Any:
    if kind is bool:
        if text.lower() not in ("true", "false", "1", "0"):
            raise ConfigError(f"LIONROCK_{name.upper()}: {text[:SHOWN_CHARS]!r}: say true or false")
        return text.lower() in ("true", "1")
    if kind is int:
        if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
            shown = repr(text[: _MAX_DIGITS + 1])
            raise ConfigError(f"LIONROCK_{name.upper()}: {shown} is not a whole number of at most {_MAX_DIGITS} digits")
        return int(text)
    return text


def _checked(kind: type[Any], values: Mapping[str, Any], prefix: str = "") -> Any:
    """The settings of a table, each of its type and within its bounds. Raises ConfigError."""
    types = _TYPES[kind]
    for name, value in values.items():
        if name not in types:
            said = prefix + _cut(name)
            raise ConfigError(f"{said}: no such setting; `lionrock serve --print-config` lists them")
        if isinstance(value, str) and _CONTROL.search(value):
            raise ConfigError(f"{name}: {_quoted(value)} has characters that no text shows; leave them out")
        try:
            msgspec.convert(value, types[name])
        except msgspec.ValidationError:
            raise ConfigError(f"{prefix}{name}: {_complaint(value, types[name])}") from None
    return kind(**values)


def _complaint(value: Any, wanted: Any) -> str:
    """What is wrong with a value that is not of an annotated type."""
    kind, *notes = get_args(wanted)
    if get_origin(kind) is Literal:
        return f"{_quoted(value)}; choose from {', '.join(get_args(kind))}"
    bounds = "".join(f"from {note.ge} to {note.le}" for note in notes if note.ge is not None)
    if type(value) is kind:
        return f"{_quoted(value)} must be {bounds}"
    return f"{_quoted(value)} must be of type {kind.__name__}{bounds and f', {bounds}'}"


def to_toml(config: Config) -> str:
    """The configuration as a TOML file, each setting with its meaning."""
    lines = []
    for item in _PLAIN:
        lines.append(f"# {_meaning(Config, item.name)}\n{item.name} = {_toml(getattr(config, item.name))}\n")
    for name, kind in TABLES.items():
        lines.append(f"[{name}]")
        for item in fields(kind):
            value = _toml(getattr(getattr(config, name), item.name))
            lines.append(f"# {_meaning(kind, item.name)}\n{item.name} = {value}\n")
    return "\n".join(lines)


def _meaning(kind: type[Any], name: str) -> str:
    notes = get_args(_TYPES[kind][name])[1:]
    return next(note.description for note in notes if note.description)


def _toml(value: bool | int | str) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value).lower()


def add_flags(parser: argparse.ArgumentParser) -> None:
    """A flag for every setting, and --config and --print-config."""
    parser.add_argument("--config", metavar="FILE", help="TOML file of settings")
    parser.add_argument("--print-config", action="store_true", help="print the settings in force as TOML and stop")
    for item in _PLAIN:
        flag = "--" + item.name.replace("_", "-")
        text = _meaning(Config, item.name)
        if isinstance(item.default, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            text += f" (default: {item.default!r})"
            parser.add_argument(flag, type=type(item.default), default=None, metavar=item.name.upper(), help=text)
    for name, flag in _CLUSTER_FLAGS.items():
        text = _meaning(Cluster, name)
        parser.add_argument(flag, dest=f"cluster_{name}", default=None, metavar=name.upper(), help=text)


def from_args(args: argparse.Namespace) -> Config:
    """The configuration of a parsed command line."""
    return load(args.config, os.environ, vars(args))
