"""Files that commands are given: keys, a person's identity, lists of evidence, candles and rates.

The first letter of an input says which reader gets it. What a reader refuses reaches the person as one line that
prints, with exit code 2; nothing else may come out of a command.
"""

import argparse
import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from gateway.commands import admin, connection, funding_files, identity_input, listed_arguments, officer
from gateway.commands.common import readable_errors
from gateway.config import Config
from gateway.office.changes import KINDS
from gateway.registry import identities
from gateway.registry.registry import Registry
from gateway.registry.vault import Vault
from tests.fuzz.mutate import below, mutated
from tests.fuzz.target import Target, Wrong

_CANDLES = b"open_time,open,high,low,close\n1685577600000,0.0001,0.0002,-0.0001,0.00005\n1685581200000,0,1,-1,0\n"
_RATES = b"funding_time,funding_rate\n1685577600000,0.0001\n1685606400000,-0.000123\n"
_ITEMS = (
    b"document,date,date_means,hash,asset,amount,currency,rate,rate_source,rate_date\n"
    b"custodian_statement,2026-12-31,issued," + b"5e" * 32 + b",securities,1100000,USD,7.8,HKMA,2026-12-31\n"
)
SEEDS = {
    b"K": [b'{"id": "lr1", "secret": "abc"}', b'[{"id": "lr1", "secret": "abc"}]', b"{}", b"[]", b"[" * 3000,
           b'{"id":1}',
           b'{"id": "\\ud800", "secret": "x"}', b'{"id": {"a": 1}, "secret": [1]}', b"secret\n", b"\xef\xbb\xbf{}"],
    b"O": [b'{"id": "lr1", "secret": "abc"}', b"[]", b"null", b"[" * 3000, b'{"id": "\\ud800", "secret": "x"}', b"{"],
    b"I": [b"passport HK K1234567\n", b"passport HK", b"", b"hkid HK A123456(3)", b"passport \xff", b"\x00 a b"],
    b"C": [_CANDLES, b"1685577600000,1,2,0,1\n", b'"a\nb",open\n1,2\n', _CANDLES.replace(b",", b";"), b"\x00,\n1,2\n"],
    b"R": [_RATES, b'"x\ny"\n1\n', b"calc_time,last_funding_rate\n1685577600000,0.1\n", b"", b"\xff\xfe"],
    b"E": [_ITEMS, b'"a\nb",date\nx,y\n', b"holders\n5\n", b"holders\n" + b"9" * 5000 + b"\n", b"a,b\n1\n", b'"\n'],
}  # fmt: skip


class InputFiles(Target):
    """One file for one command."""

    name = "input_files"
    ending = "txt"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "given.txt"
        self.path.touch(0o600)
        data = folder / "data"
        data.mkdir()
        config = Config(data=str(data))
        self.registry = Registry(config.registry)
        self.vault = Vault(config.vault, self.registry)
        text, field = str(self.path), "--secret-file"
        kind = admin._lists(KINDS["record_evidence"])["items"]
        self.readers: dict[bytes, Callable[[], Any]] = {
            b"K": lambda: connection.key_and_secret(text, field, ""),
            b"O": lambda: officer.key_in_file(self.registry, text, str(data)),
            b"I": lambda: identities.sealed(identity_input._line(text, "Ann"), self.vault),
            b"C": lambda: funding_files.read_candles(self.path, False),
            b"R": lambda: funding_files.read_rates(self.path),
            b"E": lambda: [listed_arguments._item(number, row, kind, "item")
                           for number, row in enumerate(listed_arguments._rows_of(text, "item"), 1)],
        }  # fmt: skip
        self._kinds = list(SEEDS)

    def bases(self) -> list[bytes]:
        return [kind + data for kind, found in SEEDS.items() for data in found]

    def make(self, chance: Random, pool: list[bytes]) -> bytes:
        if chance.random() < 0.5:
            data = pool[below(chance, len(pool))]
        else:
            kind = self._kinds[below(chance, len(self._kinds))]
            data = kind + chance.choice(SEEDS[kind])
        return data[:1] + mutated(data[1:], chance)

    def check(self, data: bytes) -> str:
        kind = data[:1] if data[:1] in self.readers else b"K"
        self.path.write_bytes(data[1:])
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said), readable_errors("fuzz"), mock.patch("sys.stdin", io.StringIO()):
                try:
                    self.readers[kind]()
                except argparse.ArgumentTypeError as error:
                    return f"{kind.decode()} argument {str(error)[:40]}"
        except SystemExit:
            line = said.getvalue()
            if line.count("\n") != 1 or not line.endswith("\n") or not line[:-1].isprintable() or len(line) > 1200:
                raise Wrong(f"{kind.decode()}: not one line: {line!r:.500}") from None
            if "codec" in line and self.path.name not in line:
                raise Wrong(f"{kind.decode()}: an encoding's error is no help: {line!r:.300}") from None
            words = "".join(letter for letter in line.partition(": ")[2] if letter.isalpha() or letter == " ")
            return f"{kind.decode()} {words[-60:]}"
        return f"{kind.decode()} read"

    def close(self) -> None:
        self.registry.close()
