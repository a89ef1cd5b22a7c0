"""The files of SQLite: registry and history. Whatever is changed in them is refused in one line, or is not asked for.

An input of the registry is a few changes of the file's bytes, which a start meets; or a list of changes to single rows,
as another program would make them, each of which the checksums must find. Of the history blobs are forged as well:
another content, a right checksum.
"""

import json
import shutil
import sqlite3
import struct
from pathlib import Path
from random import Random

import numpy as np
from google_crc32c import value as crc32c

from gateway.read_model import history_file
from gateway.read_model.event_fold import LEG_ROW
from gateway.read_model.history_file import BLOCK_ROWS, HistoryError, HistoryFile
from gateway.registry import row_checks
from gateway.registry.errors import RegistryError
from gateway.registry.registry import Registry
from tests.fuzz.mutate import WORDS, below
from tests.fuzz.target import Target, Wrong
from tests.gateway.registry.test_row_checks import content, filled

_PATCH = struct.Struct("<IB")
_BYTES, _ROWS, _BLOB = b"B", b"R", b"F"
MOST_CHANGES = 24
_VALUES = (
    "", "x", "alice", 0, 1, -1, 2**62, 2**63 - 1, -(2**63), None, 0.5, "\x00", "é", '{"a":1}', "1" * 300, "approved",
)  # fmt: skip


def made_patches(size: int, chance: Random, pages: int = 4096) -> bytes:
    """One to three changes of a file's bytes: heads of pages matter more than the rest."""
    found = b""
    for _ in range((1, 1, 2, 3)[below(chance, 4)]):
        at = below(chance, size)
        if chance.random() < 0.4:
            at = min(size - 1, at // pages * pages + below(chance, 120))
        elif chance.random() < 0.1:
            at = below(chance, 100)
        length = (1, 1, 1, 2, 4, 8)[below(chance, 6)]
        value = chance.choice(WORDS) if chance.random() < 0.4 else int(chance.random() * (1 << 8 * length))
        found += _PATCH.pack(at, length) + (value & ((1 << 8 * length) - 1)).to_bytes(length, "big")
    return _BYTES + found


def patched(data: bytes, patches: bytes) -> bytes:
    """The bytes with changes made to them."""
    changed, at = bytearray(data), 0
    while at + _PATCH.size <= len(patches):
        place, length = _PATCH.unpack_from(patches, at)
        at += _PATCH.size
        if place + length <= len(changed):
            part = patches[at : at + length]
            changed[place : place + len(part)] = part
        at += length
    return bytes(changed)


def one_line(line: str, path: Path) -> str:
    """The shape of a refusal. Raises Wrong when it is not one line with the file's name."""
    if not line.isprintable() or len(line) > 900 or path.stem not in line:
        raise Wrong(f"not one line with the file's name: {line!r:.400}")
    return "".join(letter for letter in line.partition(": ")[2] if not letter.isdigit())[:60]


class RegistryFile(Target):
    """A small registry with a row in every table."""

    name = "registry"
    round_inputs = 20_000

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = filled(folder)
        self.beside = [path for path in folder.iterdir() if path != self.path]
        self._whole = {path: path.read_bytes() for path in (self.path, *self.beside)}
        self._rows = folder / "rows.db"
        shutil.copy(self.path, self._rows)
        self.db = sqlite3.connect(self._rows, isolation_level=None)
        self._tables = {name: self.db.execute(f"SELECT rowid, * FROM {name} ORDER BY rowid").fetchall()
                        for name in row_checks.table_names(self.db)}  # fmt: skip
        self._columns = {name: [row[1] for row in self.db.execute(f"PRAGMA table_info({name})")]
                         for name in self._tables}  # fmt: skip
        self._names = sorted(self._tables)
        self.expected = self._content()

    def _content(self) -> object:
        registry = Registry(self.path)
        try:
            return content(registry)
        finally:
            registry.close()

    def bases(self) -> list[bytes]:
        return [_BYTES]

    def make(self, chance: Random, pool: list[bytes]) -> bytes:
        if chance.random() < 0.02:
            return made_patches(len(self._whole[self.path]), chance)
        changes = []
        for _ in range(MOST_CHANGES):
            name = self._names[below(chance, len(self._names))]
            place, column = below(chance, len(self._tables[name])), below(chance, len(self._columns[name]))
            changes.append((name, place, column, _VALUES[below(chance, len(_VALUES))]))
        return _ROWS + json.dumps(changes).encode()

    def count(self, data: bytes) -> int:
        return data.count(b"], [") + 1 if data[:1] == _ROWS else 1

    def check(self, data: bytes) -> str:
        return self._check_rows(json.loads(data[1:])) if data[:1] == _ROWS else self._check_file(data[1:])

    def _check_rows(self, changes: list) -> str:
        """Change rows one after the other and look at their chunks; then everything is taken back."""
        refused = found = same = 0
        for name, place, column, value in changes:
            rowid, *before = self._tables[name][place]
            self.db.execute("BEGIN")
            try:
                query = f"UPDATE {name} SET {self._columns[name][column]} = ? WHERE rowid = ?"
                self.db.execute(query, (value, rowid))
                after = self.db.execute(f"SELECT * FROM {name} WHERE rowid = ?", (rowid,)).fetchall()
                if after and list(after[0]) == before and [type(x) for x in after[0]] == [type(x) for x in before]:
                    same += 1
                else:
                    said = row_checks._chunk(self.db, name, rowid >> row_checks.CHUNK_BITS)
                    if not said:
                        raise Wrong(f"{name}, row {rowid}: {before!r:.200} was changed to {after!r:.200} unseen")
                    if not said.isprintable() or name not in said:
                        raise Wrong(f"{name}: told as {said!r:.300}")
                    found += 1
            except sqlite3.IntegrityError:
                refused += 1
            finally:
                self.db.execute("ROLLBACK")
        return f"rows {found // 6} {refused // 6} {same}"

    def _check_file(self, patches: bytes) -> str:
        """Start on a file whose bytes were changed."""
        for path in self.folder.glob("registry.db-*"):
            path.unlink()
        for path, whole in self._whole.items():
            path.write_bytes(patched(whole, patches) if path == self.path else whole)
        try:
            if self._content() != self.expected:
                raise Wrong("the changed file is served")
        except RegistryError as error:
            return one_line(str(error), self.path)
        return "harmless"

    def close(self) -> None:
        self.db.close()


def _key_of(table: str) -> str:
    return "n" if table == "body" else "id"


class HistoryFiles(Target):
    """A history of three blocks, and blobs of other kinds."""

    name = "history"
    round_inputs = 20_000
    BLOCKS = 3
    BLOBS = (("chunk", 5), ("series", 9), ("chunk", 70))

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "history.db"
        chance = np.random.default_rng(1)
        file = HistoryFile(self.path, is_written=True)
        rows = np.zeros(self.BLOCKS * BLOCK_ROWS + 1, LEG_ROW)
        rows["seq"] = np.arange(len(rows))
        rows["time_ns"] = 10**18 + rows["seq"]
        rows["kind"] = chance.integers(1, 4, len(rows))
        rows["contract_slot"] = chance.integers(0, 3, len(rows))
        self.blobs = {(table, key): chance.integers(0, 4, 300, dtype=np.uint8).tobytes() for table, key in self.BLOBS}

        def write() -> None:
            file.add_blocks(0, rows, lambda: None)
            for (table, key), data in self.blobs.items():
                file.run(f"INSERT INTO {table} VALUES (?, ?)", key, file.sealed(table, key, data))

        file.in_transaction(write)
        self.expected = self._read(file)
        self._kept = {(table, key): file.run(f"SELECT data FROM {table} WHERE {_key_of(table)} = ?", key)[0][0]
                      for table, key in (*self.BLOBS, ("body", 0), ("body", 1))}  # fmt: skip
        file.close()
        self._whole = self.path.read_bytes()

    def _read(self, file: HistoryFile) -> list:
        """All that may be asked: each piece by itself, or that it was refused."""
        asked = [lambda: file.bounds()]
        asked += [lambda n=n: tuple(file.note(n)) if file.note(n) else None for n in range(self.BLOCKS)]
        asked += [lambda n=n: [file.block(n).legs.tobytes()] for n in range(self.BLOCKS)]
        asked += [lambda at=at: file.blob(*at) for at in self.blobs]
        asked += [lambda: [note.n for note in file.notes(0, self.BLOCKS, "settled", True)]]
        found = []
        for ask in asked:
            try:
                found.append(ask())
            except HistoryError as error:
                found.append(one_line(str(error), self.path))
        return found

    def bases(self) -> list[bytes]:
        return [_BYTES]

    def make(self, chance: Random, pool: list[bytes]) -> bytes:
        if chance.random() < 0.5:
            return made_patches(len(self._whole), chance, 16384)
        table, key = chance.choice(list(self._kept))
        kept = self._kept[table, key]
        return _BLOB + json.dumps([table, key]).encode() + b"\n" + made_patches(len(kept), chance, 64)[1:]

    def check(self, data: bytes) -> str:
        for ending in ("-wal", "-shm"):
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        if data[:1] == _BLOB:
            return self._check_blob(data[1:])
        self.path.write_bytes(patched(self._whole, data[1:]))
        return self._check_file(())

    def _check_blob(self, data: bytes) -> str:
        head, _, patches = data.partition(b"\n")
        table, key = json.loads(head)
        self.path.write_bytes(self._whole)
        body = patched(self._kept[table, key][history_file._CHECK.size :], patches)
        check = crc32c(history_file._KEY.pack(table.encode(), key, len(body)) + body)
        db = sqlite3.connect(self.path, isolation_level=None)
        blob = history_file._CHECK.pack(check) + body
        db.execute(f"UPDATE {table} SET data = ? WHERE {_key_of(table)} = ?", (blob, key))
        db.close()
        return self._check_file((table, key))

    def _check_file(self, forged: tuple) -> str:
        try:
            file = HistoryFile(self.path)
        except HistoryError as error:
            return one_line(str(error), self.path)
        try:
            found = self._read(file)
        finally:
            file.close()
        refused = [text for text in found if isinstance(text, str)]
        for got, wanted in () if forged else zip(found, self.expected, strict=True):
            if got != wanted and not isinstance(got, str):
                raise Wrong(f"{wanted!r:.200} is served as {got!r:.200}")
        return f"{'forged ' if forged else ''}{len(refused)} {' | '.join(sorted(set(refused))[:2])}"
