"""Configuration: defaults, then a TOML file, then `LIONROCK_*` in the environment, then flags; the last one wins."""

import argparse
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from gateway.affiliates.parameters import Programme
from gateway.surveillance.parameters import Parameters

DURABILITY = ("fsync", "os", "none")
"""What an answer waits for: the disk, the operating system, or nothing."""


class ConfigError(Exception):
    """A setting that cannot be: one line that names it, its value and the remedy."""


def _setting(default: Any, text: str, low: int | None = None, high: int | None = None) -> Any:
    return field(default=default, metadata={"help": text, "low": low, "high": high})


@dataclass(frozen=True)
class Config:
    """Every setting of `lionrock serve`, with its default."""

    data: str = _setting("lionrock-data", "folder of the journal, the registry and the vault key")
    host: str = _setting("127.0.0.1", "address to listen on")
    port: int = _setting(8765, "port to listen on; 0 picks a free one", 0, 65535)
    tls_certificate: str = _setting("", "PEM file of the certificate chain; empty: no TLS")
    tls_key: str = _setting("", "PEM file of the certificate's private key")
    durability: str = _setting("fsync", "what an answer waits for: fsync, os or none")
    busy_poll_us: int = _setting(
        0, "look for more so long after a message before the loop sleeps: quicker answers for a core; 0: off", 0, 10**6
    )
    testnet: bool = _setting(False, "say testnet in every answer")
    batch_rows: int = _setting(4096, "commands in one batch at most", 2, 1 << 16)
    segment_bytes: int = _setting(1 << 28, "bytes of a journal segment", 1 << 16, 1 << 40)
    max_frame_bytes: int = _setting(1 << 18, "largest websocket message or HTTP body", 1 << 10, 1 << 26)
    max_connections: int = _setting(10_000, "open connections", 1, 1 << 20)
    max_subscriptions: int = _setting(500, "channels of one connection", 1, 1 << 16)
    scripted_index: str = _setting("", "index that wanders from NAME=PRICE,...: for demonstrations; empty: none")
    index_feeds: str = _setting(
        "", "live index: NAME=VENUE:PAIR,...;... with venues kraken, okx, coinbase; at least 3 a contract; empty: none"
    )
    login_seconds: int = _setting(0, "close a connection that has not logged in after so long; 0: never", 0, 86_400)
    orders_per_s: int = _setting(20_000, "orders and amendments of one key", 1, 100_000_000)
    orders_burst: int = _setting(40_000, "orders at once", 1, 100_000_000)
    cancels_per_s: int = _setting(100_000, "cancels of one key", 1, 100_000_000)
    cancels_burst: int = _setting(200_000, "cancels at once", 1, 100_000_000)
    queries_per_s: int = _setting(2_000, "other requests of one key or connection", 1, 100_000_000)
    confirm_value: int = _setting(
        0, "orders worth more need confirm: true, in whole settlement currency; 0: off", 0, 10**12
    )
    confirm_distance_bp: int = _setting(
        0, "orders priced farther from the mark need confirm: true, in basis points; 0: off", 0, 1_000_000
    )
    queries_burst: int = _setting(4_000, "other requests at once", 1, 100_000_000)

    surveillance: Parameters = field(default_factory=Parameters)
    affiliates: Programme = field(default_factory=Programme)

    @property
    def journal(self) -> Path:
        """The journal's folder."""
        return Path(self.data) / "journal"

    @property
    def registry(self) -> Path:
        """The registry's file."""
        return Path(self.data) / "registry.db"

    @property
    def vault(self) -> Path:
        """The vault's key file."""
        return Path(self.data) / "vault.key"


TABLES: dict[str, type[Any]] = {"surveillance": Parameters, "affiliates": Programme}
"""Settings with a table of their own in the file; in the environment their names are joined."""
_PLAIN = [item for item in fields(Config) if item.name not in TABLES]


def load(path: str | None, environment: Mapping[str, str], flags: Mapping[str, Any]) -> Config:
    """The configuration in force; flags that are None were not given."""
    values: dict[str, Any] = {}
    if path:
        values.update(_read_toml(path))
    for name, kind in TABLES.items():
        values[name] = _table(name, kind, values.get(name, {}), environment)
    for item in _PLAIN:
        text = environment.get(f"LIONROCK_{item.name.upper()}")
        if text is not None:
            values[item.name] = _from_text(item.name, text, type(item.default))
        if flags.get(item.name) is not None:
            values[item.name] = flags[item.name]
    return _checked(values)


def _read_toml(path: str) -> dict[str, Any]:
    try:
        data = tomllib.loads(Path(path).read_text())
    except OSError as error:
        raise ConfigError(f"config: {path}: {error.strerror}; check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"config: {path}: {error}") from None
    return data


def _table(name: str, kind: type[Any], given: Any, environment: Mapping[str, str]) -> Any:
    """The settings of a table, from the file and then the environment."""
    if not isinstance(given, dict):
        raise ConfigError(f"{name}: it must be a table: write [{name}] and its settings below")
    values, known = dict(given), {item.name: item for item in fields(kind)}
    for item in known.values():
        text = environment.get(f"LIONROCK_{name.upper()}_{item.name.upper()}")
        if text is not None:
            values[item.name] = _from_text(f"{name}_{item.name}", text, int)
    for key, value in values.items():
        if key not in known:
            raise ConfigError(f"{name}.{key}: no such setting; `lionrock serve --print-config` lists them")
        low, high = known[key].metadata["low"], known[key].metadata["high"]
        if type(value) is not int or not low <= value <= high:
            raise ConfigError(f"{name}.{key}: {value!r} must be a whole number from {low} to {high}")
    return kind(**values)


def _from_text(name: str, text: str, kind: type) -> Any:
    if kind is bool:
        if text.lower() not in ("true", "false", "1", "0"):
            raise ConfigError(f"LIONROCK_{name.upper()}: {text!r}: say true or false")
        return text.lower() in ("true", "1")
    if kind is int:
        if not (text.isascii() and text.isdigit()):
            raise ConfigError(f"LIONROCK_{name.upper()}: {text!r} is not a whole number")
        return int(text)
    return text


def _checked(values: Mapping[str, Any]) -> Config:
    known = {item.name: item for item in _PLAIN}
    for name, value in values.items():
        if name in TABLES:
            continue
        if name not in known:
            raise ConfigError(f"{name}: no such setting; `lionrock serve --print-config` lists them")
        kind, bounds = type(known[name].default), known[name].metadata
        if type(value) is not kind:
            raise ConfigError(f"{name}: {value!r} must be of type {kind.__name__}")
        if kind is int and bounds["low"] is not None and not bounds["low"] <= value <= bounds["high"]:
            raise ConfigError(f"{name}: {value} must be from {bounds['low']} to {bounds['high']}")
    config = Config(**values)
    if config.durability not in DURABILITY:
        raise ConfigError(f"durability: {config.durability!r}; choose from {', '.join(DURABILITY)}")
    if bool(config.tls_certificate) != bool(config.tls_key):
        raise ConfigError("tls_certificate and tls_key: give both or neither")
    return config


def to_toml(config: Config) -> str:
    """The configuration as a TOML file, each setting with its meaning."""
    lines = []
    for item in _PLAIN:
        lines.append(f"# {item.metadata['help']}\n{item.name} = {_toml(getattr(config, item.name))}\n")
    for name, kind in TABLES.items():
        lines.append(f"[{name}]")
        for item in fields(kind):
            lines.append(f"# {item.metadata['help']}\n{item.name} = {getattr(getattr(config, name), item.name)}\n")
    return "\n".join(lines)


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
        text = f"{item.metadata['help']} (default: {item.default!r})"
        if isinstance(item.default, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=item.metadata["help"])
        else:
            parser.add_argument(flag, type=type(item.default), default=None, metavar=item.name.upper(), help=text)


def from_args(args: argparse.Namespace) -> Config:
    """The configuration of a parsed command line."""
    return load(args.config, os.environ, vars(args))
