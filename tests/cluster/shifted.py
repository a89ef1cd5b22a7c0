"""`lionrock` with a wall clock that is so many milliseconds off: `python -m tests.cluster.shifted MS serve ...`."""

import sys
import time

from gateway import cli, clock

if __name__ == "__main__":
    offset_ns = int(sys.argv.pop(1)) * 1_000_000
    clock.wall_ns = lambda: time.time_ns() + offset_ns
    sys.exit(cli.main(sys.argv[1:]))
