"""A process beside a venue ends when the venue does, however that ends: its standard input is a pipe from there."""

import os
import threading
from typing import IO


def end_with(source: IO[bytes]) -> None:
    """Have this process end when its input does, wherever it is: everything that it writes is whole or not there."""

    def watch() -> None:
        while os.read(source.fileno(), 1 << 12):  # not by the file object: its lock would be held at the process's end
            continue
        os._exit(0)

    threading.Thread(target=watch, name="venue", daemon=True).start()
