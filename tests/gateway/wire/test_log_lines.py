"""Lines of the log: for people, for programs, and without secrets."""

import io
import json
import logging

import pytest

from gateway.wire import log_lines
from gateway.wire.log_lines import MASK, event, masked

SECRETS = [
    "3f" * 32,
    "Zm9vYmFyYmF6cXV4MDEyMzQ1Njc4OUFCQ0RFRkdISktM+/abcd==",
    "eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJjZHAiLCJuYmYiOjE3NTAwMDAwMDB9.AbC0123456789dEf_-ghIJKL",
]
HARMLESS = [
    "/var/lib/lionrock/journal/00000000000000000012.journal",
    "kraken: BTC_USDC-PERPETUAL: silent; subscribing again",
    "the rules run again from sequence 1234567890123456789 on; an alert names what lies between",
    "projection-4-00000000000000000123.rows: checksum does not match; rebuilt from the journal",
]


@pytest.fixture
def logged(monkeypatch):
    """Log something in a format; what was written."""
    kept = logging.root.handlers[:], logging.root.level
    for name in (log_lines.FORMAT_VARIABLE, log_lines.LEVEL_VARIABLE):
        monkeypatch.setenv(name, "")

    def log(form, call, level="debug"):
        written = io.StringIO()
        monkeypatch.setattr("sys.stderr", written)
        log_lines.configure(form, level)
        call(logging.getLogger("lionrock.test"))
        return written.getvalue()

    yield log
    logging.root.handlers[:], level = kept
    logging.root.setLevel(level)


def test_json_has_time_level_logger_event_and_fields(logged):
    text = logged("json", lambda log: log.warning("%s held %d", "it", 7, extra=event("slow", connection=3, held_ms=7)))
    line = json.loads(text)
    assert text.count("\n") == 1 and line.pop("time").endswith("Z")
    assert line == {
        "level": "warning", "logger": "lionrock.test", "event": "slow", "message": "it held 7", "connection": 3,
        "held_ms": 7,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("message", "arguments", "named"),
    [("%s; subscribing again", ("okx",), "subscribing_again"), ("%s", ("x",), "test"), ("a  Rule %d", (1,), "a_rule")],
)
def test_a_record_without_an_event_is_named_by_its_constant_words(logged, message, arguments, named):
    assert json.loads(logged("json", lambda log: log.error(message, *arguments)))["event"] == named


def test_a_field_never_takes_the_place_of_what_every_line_has(logged):
    text = logged("json", lambda log: log.info("said", extra=event("one", level="x", event="y", message="z", time="t")))
    line = json.loads(text)
    assert (line["level"], line["event"], line["message"]) == ("info", "one", "said") and line["time"] != "t"


def test_people_read_a_line_with_the_ids(logged):
    text = logged("text", lambda log: log.info("said", extra=event("one", connection=3, request="7", other=1)))
    assert text.rstrip().endswith(" lionrock.test INFO said (connection=3 request=7)") and text.count("\n") == 1


def test_the_level_and_what_was_configured_before_are_replaced(logged):
    assert logged("text", lambda log: log.info("said"), "warning") == ""
    assert logged("text", lambda log: log.info("said"), "info").count("said") == 1


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets_are_masked_wherever_they_stand(logged, form, secret):
    def log_everywhere(log):
        log.error("a key %s in a message", secret, extra=event("one", where=f"x={secret}"))
        try:
            try:
                raise ValueError(f"not a number: {secret}")
            except ValueError as error:
                raise RuntimeError(f"could not read {secret}") from error
        except RuntimeError:
            log.exception("it failed")

    text = logged(form, log_everywhere)
    for part in filter(None, secret.split(".")):
        assert part not in text
    assert MASK in text and "ValueError" in text and "RuntimeError" in text and "log_everywhere" in text


@pytest.mark.parametrize("text", HARMLESS)
def test_what_an_operator_needs_is_not_masked(text):
    assert masked(text) == text
