"""Records what a process does to the files of a folder: `strace` writes down every call with its data, in order."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

STRACE = shutil.which("strace")
_CALLS = (
    "openat,open,creat,write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync,ftruncate,truncate,fallocate,lseek,"
    "sync_file_range,msync,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,symlink,symlinkat"
)
_LINE = re.compile(r"(\d+) +(?:<\.\.\. )?(\w+)(.*)", re.DOTALL)
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_NAMED = re.compile(r"<((?:\\x[0-9a-f]{2})+)>(\(deleted\))?")
LONGEST_BYTES = 1 << 22


class UnknownCallError(Exception):
    """A call that is not understood: what it does to the files would be missing in the matrix."""


@dataclass(frozen=True, slots=True)
class Call:
    """One change of the files, or a sync. `kind`: make, write, truncate, link, rename, unlink, folder, sync."""

    kind: str
    path: Path
    data: bytes = b""
    offset: int = -1
    """Of a write; -1: at the end of the file. Of a truncate: the size."""
    target: Path | None = None
    begun: int = -1
    """How many calls were done when a sync began: it covers these. -1: all before it."""
    is_synced: bool = False
    """A write that is durable when it returns."""


def is_allowed() -> str:
    """Why strace cannot be used here; empty when it can."""
    if STRACE is None:
        return "strace is not installed"
    tried = subprocess.run([STRACE, "-f", "--seccomp-bpf", "-o", "/dev/null", "true"], capture_output=True, text=True)
    return f"strace does not work here: {tried.stderr.strip()[-200:]}" if tried.returncode else ""


def record(words: Sequence[str], folder: Path, trace: Path) -> list[Call]:
    """Run a Python module under strace; what it did to the files below a folder. RuntimeError when it fails."""
    assert STRACE is not None
    command = [STRACE, "-f", "--seccomp-bpf", "-y", "-xx", "-v", "-s", str(LONGEST_BYTES), "-e", f"trace={_CALLS}",
               "-o", str(trace), sys.executable, "-m", *words]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: exit code {done.returncode}: {done.stderr[-2000:]}")
    with trace.open() as lines:
        return list(_calls(lines, folder))


def _calls(lines: Iterator[str] | object, folder: Path) -> Iterator[Call]:
    begun: dict[str, tuple[str, int]] = {}
    hexed = "".join(f"\\x{byte:02x}" for byte in bytes(folder))
    done = 0
    for line in lines:  # type: ignore[attr-defined]
        found = _LINE.match(line)
        if found is None or found[2].startswith("exited"):
            continue
        process, name, rest = found.groups()
        at = done
        if rest.rstrip().endswith("<unfinished ...>"):
            begun[process] = (rest.rstrip().removesuffix("<unfinished ...>"), done)
            continue
        if rest.startswith(" resumed>"):
            first, at = begun.pop(process)
            rest = first + rest.removeprefix(" resumed>")
        if hexed not in rest:
            continue
        arguments, _, result = rest.rstrip().rpartition(" = ")
        if result.startswith("-1"):
            continue
        for call in _call(name, arguments, result, folder, at):
            done += 1
            yield call


def _call(name: str, arguments: str, result: str, folder: Path, begun: int) -> Iterator[Call]:
    strings = [bytes.fromhex(text.replace("\\x", "")) for text, _ in _STRING.findall(arguments)]
    if any(cut for _, cut in _STRING.findall(arguments)):
        raise UnknownCallError(f"{name}: strace has cut its data at {LONGEST_BYTES} bytes")
    named = [Path(bytes.fromhex(text.replace("\\x", "")).decode()) for text, _ in _NAMED.findall(arguments)]
    place = named[0] if named else Path()
    if name in ("open", "openat", "creat"):
        path = Path(strings[0].decode())
        path = path if path.is_absolute() else place / path
        if path.is_relative_to(folder):
            if "O_CREAT" in arguments:
                yield Call("make", path)
            if "O_TRUNC" in arguments:
                yield Call("truncate", path, offset=0)
        return
    if name in ("link", "linkat", "rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir"):
        paths = [Path(text.decode()) for text in strings]
        paths = [path if path.is_absolute() else place / path for path in paths]
        kind = {"l": "link", "r": "rename", "u": "unlink", "m": "folder"}[name[0]]
        if name == "rmdir" or "AT_REMOVEDIR" in arguments:
            raise UnknownCallError(f"{name} of {paths[0]}")
        yield Call(kind, paths[0], target=paths[1] if len(paths) > 1 else None)
        return
    if not place.is_relative_to(folder) or "(deleted)" in arguments:
        return
    yield from _of_descriptor(name, arguments, result, place, strings, begun)


def _of_descriptor(
    name: str, arguments: str, result: str, path: Path, strings: list[bytes], begun: int
) -> Iterator[Call]:
    numbers = [part.strip(" )]") for part in arguments.rsplit(",", 2)]
    if name in ("fsync", "fdatasync"):
        yield Call("sync", path, begun=begun)
    elif name == "ftruncate":
        yield Call("truncate", path, offset=int(numbers[-1]))
    elif name in ("write", "writev"):
        yield Call("write", path, b"".join(strings)[: int(result)])
    elif name in ("pwrite64", "pwritev"):
        yield Call("write", path, b"".join(strings)[: int(result)], int(numbers[-1]))
    elif name == "pwritev2":
        is_synced = "DSYNC" in numbers[-1]
        yield Call("write", path, b"".join(strings)[: int(result)], int(numbers[-2]), is_synced=is_synced)
    elif name == "lseek":
        return
    else:
        raise UnknownCallError(f"{name} of {path}")
