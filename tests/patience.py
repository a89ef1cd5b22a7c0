"""How long a test waits for a state that must come. A busy machine is slow, so for long; no test fails on time."""

import os

VARIABLE = "LIONROCK_TEST_PATIENCE_S"
BRIEF = {VARIABLE: "20"}
"""The environment of a test that ought to fail because such a state never comes."""


def patience_s() -> float:
    """The limit of one wait."""
    return float(os.environ.get(VARIABLE, "120"))
