"""The settings of `lionrock serve`: file, environment and flags give a configuration, or one line that names the fault.

A configuration that is taken is within its bounds, and what `--print-config` prints of it is read again as the same.
"""

import argparse
import contextlib
import io
from dataclasses import fields
from pathlib import Path
from random import Random
from typing import get_type_hints

import msgspec

from gateway import config
from gateway.config import TABLES, Config, ConfigError
from gateway.index_feeds.scripted import IndexScriptError
from gateway.index_feeds.sources import FeedScriptError, configured
from tests.fuzz.mutate import below, mutated
from tests.fuzz.target import Target, Wrong

PARTS = b"\x1e"
"""Between file, environment and flags; between the words of the latter two there is a zero byte."""
LONGEST_LINE = 500
_NAMES = [item.name for item in fields(Config)]
_PLAIN = [name for name in _NAMES if name not in TABLES]
_TABLED = [(table, item.name) for table, kind in TABLES.items() for item in fields(kind)]
_VALUES = (
    b"0", b"1", b"-1", b"2", b"100", b"65535", b"65536", b"1_000", b"1.0", b"1e5", b"true", b"false", b'""', b'"x"',
    b"'x'", b"0x10", b"0b1", b"9223372036854775808", b"9" * 40, b"0x" + b"f" * 5000, b"[]", b"[1, 2]", b"{}",
    b"{a = 1}", b"inf", b"nan", b"2026-01-02", b"2026-01-02T03:04:05Z", b"07:32:00", b'"fsync"', b'"os"', b'"none"',
    b'"""a\nb"""', b'"\\u0000"', b'"a\\nb"', b'"json"', b'"https://a.example"', b'"BTC_USDC-PERPETUAL=20000"',
    b'"\\"\\\\"', b"[" * 3000, b"'''\n'''", b'"\xc3\xa9"', b"\xff", b"4096", b"1000000", b'"\\u007f\\u202e"', b"+5",
    b"1e400", b'"*"', b'"127.0.0.1"', b"''", b'"BTC_USDC-PERPETUAL=kraken:XBT/USD,okx:BTC-USDT,coinbase:BTC-USD"',
)  # fmt: skip
_TEXTS = (
    b"", b"0", b"1", b"-1", b"65536", b"1_000", b" 5 ", b"+1", b"1.0", b"true", b"FALSE", b"maybe", b"x", b"fsync",
    b"none", b"9" * 19, b"9" * 5000, b"a\nb", b'a "b" \\c', b"\xd9\xa3", b"json", b"text", b"debug",
    b"https://a.example:8443", b"http://A", b"*", b"BTC_USDC-PERPETUAL=20000,ETH_USDC-PERPETUAL=1000",
    b"BTC_USDC-PERPETUAL=kraken:XBT/USD", b"=", b"=1", b"a=", b"a=1,a=2", b"A=nan", b"A=1e5", b"A=-1", b"\xff",
    b"\x7f", b"4096", b"\x1b[2J", b"\xe2\x80\xae", b"a;b=c", b"A=scripted:1", b"A=okx:a", b"A=okx:ABCDEFGHIJKL",
    b"A=okx:A,okx:B;;", b"A=okx:A;A=okx:B", b"None",
)  # fmt: skip


_ODD_NAMES = (b'"a\\nb"', b"prot", b"a.b", b'""', b"surveillance", b"data.x", b'"\\u202e"', b"x" * 2000)


def made_toml(chance: Random) -> bytes:
    """A few settings, most with a value of a right or a wrong type."""
    lines = []
    for _ in range(below(chance, 4)):
        name = _PLAIN[below(chance, len(_PLAIN))].encode()
        if chance.random() < 0.1:
            name = chance.choice(_ODD_NAMES)
        lines.append(name + b" = " + _VALUES[below(chance, len(_VALUES))])
    for _ in range(below(chance, 3)):
        table, name = _TABLED[below(chance, len(_TABLED))]
        if chance.random() < 0.1:
            name = ("x", '"\\n"', "step_s.x")[below(chance, 3)]
        lines.append(f"[{table}]\n{name} = ".encode() + _VALUES[below(chance, len(_VALUES))])
    return b"\n".join(lines)


def _named(chance: Random) -> str:
    if chance.random() < 0.3:
        table, name = _TABLED[below(chance, len(_TABLED))]
        return f"{table}_{name}"
    return _NAMES[below(chance, len(_NAMES))]


class Settings(Target):
    """Files, environments and command lines."""

    name = "config"
    round_inputs = 100_000

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "lionrock.toml"
        self.parser = argparse.ArgumentParser("lionrock serve")
        config.add_flags(self.parser)
        self._no_args = vars(self.parser.parse_args([]))
        self._types = {name: get_type_hints(Config, include_extras=True)[name] for name in _NAMES}

    def bases(self) -> list[bytes]:
        whole = config.to_toml(Config()).encode()
        return [whole.split(b"\n\n")[0], b"port = 1" + PARTS + b"LIONROCK_PORT=2" + PARTS + b"--port\x003"]

    def make(self, chance: Random, pool: list[bytes]) -> bytes:
        if chance.random() < 0.3:
            return mutated(pool[below(chance, len(pool))], chance)
        text, environment, flags = b"", [], []
        do = below(chance, 6)
        if do < 3:
            text = made_toml(chance)
        if do in (2, 3, 4):
            for _ in range(1 + below(chance, 2)):
                value = _TEXTS[below(chance, len(_TEXTS))]
                environment.append(f"LIONROCK_{_named(chance).upper()}=".encode() + value)
        if do == 5 and chance.random() < 0.4:
            for _ in range(1 + below(chance, 2)):
                name = _PLAIN[below(chance, len(_PLAIN))].replace("_", "-")
                flags += [f"--{name}".encode(), _TEXTS[below(chance, len(_TEXTS))]]
        text = mutated(text, chance) if text and chance.random() < 0.3 else text
        return PARTS.join((text, b"\0".join(environment), b"\0".join(flags)))

    def check(self, data: bytes) -> str:
        text, environment, flags = (*data.split(PARTS), b"", b"")[:3]
        self.path.write_bytes(text)
        words = [word.decode("utf-8", "surrogateescape") for word in flags.split(b"\0") if word]
        pairs = (word.decode("utf-8", "surrogateescape").partition("=") for word in environment.split(b"\0") if word)
        names = {name: value for name, _, value in pairs}
        said = io.StringIO()
        try:
            args = self._parsed(words, said) if words else self._no_args
        except SystemExit as end:
            if end.code and "error: " not in said.getvalue():
                raise Wrong(f"no line is the error: {said.getvalue()!r:.300}") from None
            return f"flags {end.code}"
        try:
            given = config.load(str(self.path), names, args)
            configured(given.index_feeds, given.scripted_index)
        except (ConfigError, FeedScriptError, IndexScriptError) as error:
            return self._refused(str(error))
        return self._taken(given)

    def _parsed(self, words: list[str], said: io.StringIO) -> dict[str, object]:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            return vars(self.parser.parse_args(words))

    def _refused(self, line: str) -> str:
        if not line.isprintable() or len(line) > LONGEST_LINE or ": " not in line:
            raise Wrong(f"not one short line with a name: {len(line)} characters, {line!r:.300}")
        name, _, what = line.partition(": ")
        return f"{name[:24]} {' '.join(what.split()[-4:])[:40]}"

    def _taken(self, given: Config) -> str:
        values = {name: getattr(given, name) for name in _PLAIN}
        for name, value in values.items():
            msgspec.convert(value, self._types[name])
        self.path.write_text(config.to_toml(given))
        again = config.load(str(self.path), {}, {})
        if again != given:
            wrong = next(name for name in _NAMES if getattr(again, name) != getattr(given, name))
            raise Wrong(f"{wrong}: {getattr(given, wrong)!r} is printed as what reads {getattr(again, wrong)!r}")
        changed = [name for name, value in values.items() if value != getattr(Config(), name)]
        return f"taken {' '.join(changed[:3])}"

