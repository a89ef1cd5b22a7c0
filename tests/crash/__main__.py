"""The crash matrix as a command.

    python -m tests.crash                       everything: each disk at each point; about 20 minutes on one core
    python -m tests.crash --stride 20           every 20th disk
    python -m tests.crash --broken NAME         against a build that is broken on purpose
    python -m tests.crash --json --keep FOLDER  the table as JSON; the first disk with a loss is left in a folder

Exit code 0: no loss; 1: losses, each told in one line; 2: strace cannot be used here.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.crash.broken import BREAKS
from tests.crash.check import silent_starts
from tests.crash.matrix import Loss, Matrix, Progress, Recording, nested, run
from tests.crash.recorded import is_allowed
from tests.many_starts import prepare_process


def main() -> int:
    """Run the matrix; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stride", type=int, default=1, help="start on every so many-th disk (default: each)")
    parser.add_argument("--nested", type=int, default=6, help="starts whose own crash is tried as well (default: 6)")
    parser.add_argument("--broken", choices=sorted(BREAKS), help="a build that is broken on purpose")
    parser.add_argument("--losses", type=int, default=20, help="end after so many losses (default: 20)")
    parser.add_argument("--keep", type=Path, help="leave the first disk with a loss in this folder")
    parser.add_argument("--json", action="store_true", help="print JSON")
    wanted = parser.parse_args()
    why = is_allowed()
    if why:
        print(why, file=sys.stderr)
        return 2
    begun = time.monotonic()
    prepare_process()
    with tempfile.TemporaryDirectory(prefix="lionrock-crash-") as folder, silent_starts():
        words = ["--broken", wanted.broken] if wanted.broken else []
        recording = Recording.of(Path(folder) / "story", *words)
        found = run(recording, wanted.stride, _progress("first crash"), wanted.losses)
        again = Matrix()
        if not found.losses and not wanted.broken:
            again = nested(recording, Path(folder), wanted.nested, wanted.stride, _progress("second crash"))
        if wanted.keep and found.losses:
            _keep(found, recording.folder, wanted.keep)
    print(_json(found, again) if wanted.json else _table(found, again, time.monotonic() - begun))
    return 1 if found.losses or again.losses else 0


def _progress(what: str) -> Progress:
    said_s, said_losses = 0.0, 0

    def progress(done: int, total: int, losses: list[Loss]) -> None:
        nonlocal said_s, said_losses
        for loss in losses[said_losses:]:
            print(_line(loss), file=sys.stderr, flush=True)
        said_losses = len(losses)
        if time.monotonic() - said_s >= 5 or done == total:
            said_s = time.monotonic()
            print(f"{what}: call {done} of {total}, {len(losses)} losses", file=sys.stderr, flush=True)

    return progress


def _keep(found: Matrix, recorded: Path, folder: Path) -> None:
    for path, data in found.losses[0].image.files.items():
        target = folder / path.relative_to(recorded)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def _rows(found: Matrix) -> list[tuple[str, str, int, int, int]]:
    return [
        (part, operation, counts["points"], counts["images"], counts["losses"])
        for (part, operation), counts in sorted(found.table.items())
    ]


def _line(loss: Loss) -> str:
    return f"after call {loss.point} ({loss.call}), {loss.how}: {loss.what}"


def _losses(found: Matrix) -> list[str]:
    return [_line(loss) for loss in found.losses]


def _json(found: Matrix, again: Matrix) -> str:
    parts = {
        name: {
            "points": matrix.points, "images": matrix.images, "starts": matrix.starts, "losses": _losses(matrix),
            "peak_bytes": matrix.peak_bytes, "table": _rows(matrix),
        }
        for name, matrix in (("first", found), ("second", again))
    }  # fmt: skip
    return json.dumps(parts)


def _table(found: Matrix, again: Matrix, seconds: float) -> str:
    lines = [f"{'part':12} {'operation':10} {'points':>7} {'images':>7} {'losses':>7}"]
    lines += [f"{row[0]:12} {row[1]:10} {row[2]:7} {row[3]:7} {row[4]:7}" for row in _rows(found)]
    for name, matrix in (("first crash", found), ("second crash", again)):
        lines.append(
            f"{name}: {matrix.points} points, {matrix.images} images, {matrix.starts} starts, "
            f"{len(matrix.losses)} losses, at most {matrix.peak_bytes >> 20} MiB of memory"
        )
    lines += _losses(found) + _losses(again)
    return "\n".join([*lines, f"{seconds:.0f} s"])


if __name__ == "__main__":
    sys.exit(main())
