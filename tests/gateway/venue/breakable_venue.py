"""A program that serves venues whose state is corrupted on a signal, each in a process of its own.

It reads one JSON object a line, `{"words": [...], "faults": [[array, row, field, change], ...], "out": "", "err": ""}`,
serves with these words until the venue ends, and answers with its exit code. The process is forked from one that has
compiled everything; SIGUSR1 adds the changes to the state, as a fault of the memory would. With `"faults": "disk"` the
signal makes every sync fail from then on, after the bytes were written: reads show them. With `"snapshot"` or another
beginning of a file's name every write of such a file fails.
"""

import json
import os
import signal
import sys

from engine import disk, host
from gateway import cli
from gateway.venue.venue import Venue
from tests.gateway.venue.failing_disk import FailingDisk

_DISK = FailingDisk()


def corrupt(venue, faults):
    """Change a venue's state, or make its disk fail."""
    if faults == "disk":
        _DISK.fails = True
        return
    if isinstance(faults, str):
        _DISK.unwritable = faults
        return
    root = venue.engine.root
    for array, row, field, change in faults:
        if array:
            root[array][field][0, row] += change
        else:
            root[field] += change


def serve(order):
    """Run `lionrock serve` in this process and end it."""
    for name, number in (("out", 1), ("err", 2)):
        file = os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, number)
    start, code = Venue.start, 99

    def breakable(venue):
        signal.signal(signal.SIGUSR1, lambda *_: corrupt(venue, order["faults"]))
        start(venue)

    Venue.start = breakable
    try:
        with disk.use(_DISK):
            code = cli.main(["serve", "--json", *order["words"]])
    except SystemExit as end:
        code = end.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main():
    """Fork a venue for each line; its number is told when it begins, its exit code when it has ended."""
    host.warm_up()
    print("ready", flush=True)
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            serve(json.loads(line))
        print(process, flush=True)
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
