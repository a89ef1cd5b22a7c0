"""The two versions that are told: of the program, and of the interface that clients write against."""

from importlib.metadata import version

from engine.schema import SEMANTICS_VERSION

RELEASE = version("lionrock")
"""Which program runs: `lionrock --version`, the log's line at a start, `build_info`, a backup's manifest."""
API_VERSION = f"1.{SEMANTICS_VERSION}.0"
"""What clients can rely on: `public/hello`, `public/test`, the OpenRPC document. The second number counts the versions
of the rules, which a journal bears too: the same commands have the same effects under the same number."""
