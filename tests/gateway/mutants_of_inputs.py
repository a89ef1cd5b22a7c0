"""Ways to break what the fuzzer found in readers of the gateway, as in `mutants`."""

from tests.gateway.mutants import Mutant

KEPT = "tests/fuzz/test_fuzz.py::test_what_was_found_once_stays_right"

INPUT_MUTANTS = (
    Mutant(
        "an answer quotes control characters of a request", "wire/errors.py", "reason = plain(reason)", "pass",
        "tests/gateway/wire/test_refusals.py",
    ),
    Mutant(
        "a line about a setting quotes what it is given at any length", "config.py",
        "return text if len(text) <= SHOWN_CHARS else", "return text if text else",
        "tests/gateway/test_config.py::test_bad_settings_are_named",
    ),
    Mutant(
        "an index whose checksum is right is believed to be one", "read_model/saved_rows.py",
        "except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):", "except UnicodeDecodeError:",
        f"{KEPT}[saved_rows]",
    ),
    Mutant(
        "a key file that nests deeply ends a command with a traceback", "commands/common.py",
        "TypeError, RecursionError):", "TypeError):", f"{KEPT}[input_files]",
    ),
)  # fmt: skip
