"""What the gateway refuses, who logs in and what officers look at: in the log, vouched for, and in the trail."""

import json
from pathlib import Path

import pytest

from gateway import cli, clock
from gateway.audit_trail.gateway_log import GatewayLog, check_log, read_log
from gateway.audit_trail.gateway_notes import Notes
from gateway.audit_trail.records import Scope
from gateway.audit_trail.whole_trail import trail
from gateway.sessions.http_calls import HttpCall, http
from gateway.sessions.session import Session
from gateway.venue.gateway_log_writer import ATTEST_EVERY_NS, GatewayLogWriter
from gateway.wire.command_rows import KIND_BYTE
from tests.gateway.identified import officer_words
from tests.gateway.live import request
from tests.gateway.socketless_venue import SocketlessVenue, bare, buy

SECOND = 1_000_000_000
SECRET = "hunter2-and-more"


def silent(done, total):
    return None


def log_of(venue):
    return [record for _, record in read_log(venue.config.gateway_log)]


def session_of(venue):
    session = Session(venue.context, venue.projection, False, "test", clock.steady_ns())
    session.serves_officers = True
    return session


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A venue that ran, refused, let in and was asked; its folder and what its log says."""
    stage = SocketlessVenue(tmp_path_factory.mktemp("told"))
    venue, alice, now_ns = stage.venue, stage.sessions[0], clock.wall_ns()
    venue.gateway_log.start(now_ns)
    alice.receive(buy(amount="x"), now_ns)
    alice.receive(buy(SECRET=SECRET), now_ns)
    alice.receive(request(1, "private/withdraw", currency=SECRET), now_ns)
    alice.receive(request(1, "venue/admin/list_changes"), now_ns)
    alice.receive(b"\xff" + SECRET.encode(), now_ns)
    stranger = session_of(venue)
    stranger.receive(buy(), now_ns)
    key = stage.traders[0].key
    for client_id in (key.id, SECRET):
        params = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": SECRET}
        stranger.receive(request(2, "public/auth", **params), now_ns)
    headers = {"authorization": f"Bearer {SECRET}"}
    http(venue.context, venue.projection, HttpCall("GET", "/api/v2/private/get_positions", headers, b""), now_ns)
    http(venue.context, venue.projection, HttpCall("GET", f"/api/v2/{SECRET}", {}, b""), now_ns)
    stage.send([bare(7)])
    venue.close()
    return venue


def test_refusals_and_logins_are_kept_with_key_method_and_reason(told):
    alice = {"account_slot": 0, "key": 1, "person": 1}
    found = {(row["method"], row["outcome"], row.get("reason", "")): row for row in log_of(told)}
    assert found["private/buy", "refused", "INVALID_PARAMS amount"].items() >= alice.items()
    assert found["venue/admin/list_changes", "refused", "FORBIDDEN scope"].items() >= alice.items()
    assert found["no request", "refused", "PARSE_ERROR"].items() >= alice.items()
    assert "key" not in found["private/buy", "refused", "UNAUTHORIZED"]
    logins = [row for row in log_of(told) if row["method"] == "login client_credentials"]
    assert [row["key"] for row in logins if row["outcome"] == "accepted"] == [1, 2]
    refused = [row.get("key") for row in logins if row["outcome"] == "refused"]
    assert refused == [1, None], "an id is kept only if a key has it"
    assert ("private/get_positions", "refused", "UNAUTHORIZED") in found


def test_nothing_that_was_sent_is_kept(told):
    text = b"".join(path.read_bytes() for path in told.config.gateway_log.glob("*.jsonl"))
    assert SECRET.encode() not in text and b"hunter2" not in text


def test_the_journal_vouches_for_it_at_the_end(told):
    found = check_log(told.config.journal, told.config.gateway_log, silent)
    assert (found.problems, found.unvouched) == ([], 0) and found.records >= 8


def test_exports_have_them_in_order_of_time(told, tmp_path):
    everything = list(trail(told.config.journal, Scope(with_gateway=True)))
    own = [row for row in everything if row["record"] == "gateway"]
    assert len(own) == len(log_of(told)) and any(row["command"] == "private/buy" for row in own)
    times = [row["time_ns"] for row in everything[1:-1]]
    assert times == sorted(times)
    of_alice = list(trail(told.config.journal, Scope(0, with_gateway=True)))
    assert {row["account_slot"] for row in of_alice if row["record"] == "gateway"} == {0}
    assert not [row for row in trail(told.config.journal, Scope(0)) if row["record"] == "gateway"]
    path = tmp_path / "whole.jsonl"
    assert cli.main(["audit", "export", told.config.data, "--output", str(path)]) == 0
    assert cli.main(["audit", "verify", str(path), "--journal", told.config.data]) == 0
    noted = log_of(told)[-1]
    assert (noted["method"], noted["about"], noted["outcome"]) == ("host audit export", "all accounts", "read")


def test_a_changed_record_is_found_by_verify(told, tmp_path, capsys):
    path = next(told.config.gateway_log.glob("*.jsonl"))
    kept = path.read_bytes()
    export = tmp_path / "whole.jsonl"
    assert cli.main(["audit", "export", told.config.data, "--output", str(export)]) == 0
    rows = [json.loads(line) for line in path.read_bytes().splitlines()[1:]]
    path.unlink()
    changed = [{name: row[name] for name in row if name not in ("number", "chain")} for row in rows]
    next(row for row in changed if row["outcome"] == "refused")["outcome"] = "accepted"
    GatewayLog(told.config.gateway_log).append(changed, changed[-1]["time_ns"])
    try:
        assert cli.main(["audit", "verify", "--journal", told.config.data]) == 1
        assert "is not what the journal has at sequence" in capsys.readouterr().out
        assert cli.main(["audit", "verify", str(export), "--journal", told.config.data]) == 1
    finally:
        for file in told.config.gateway_log.glob("*.jsonl"):
            file.unlink()
        path.write_bytes(kept)


def test_plain_orders_leave_no_trace_there(told):
    assert not [row for row in log_of(told) if row["outcome"] == "accepted" and row["method"].startswith("private/")]


# --- the writer ---------------------------------------------------------------------------------------------------


class Batch:
    """Where the writer puts its commands."""

    def __init__(self):
        self.rows = []

    def submit(self, row):
        self.rows.append(row)


def writer(folder, notes=None):
    batch = Batch()
    return GatewayLogWriter(GatewayLog(folder), notes or Notes(), batch.submit), batch


def finished(made):
    """What is under way has been written."""
    if made._writing is not None:
        made._writing.exception()


def test_a_batch_is_written_in_the_background_and_vouched_for_at_intervals(tmp_path):
    notes = Notes()
    made, batch = writer(tmp_path / "log", notes)
    made.start(0)
    made.tick(ATTEST_EVERY_NS)
    assert batch.rows == [] and not (tmp_path / "log").exists()
    for second in range(25):
        notes.refused(None, "private/buy", "UNAUTHORIZED", second)
        made.tick(ATTEST_EVERY_NS + second * SECOND)
        finished(made)
    assert len(batch.rows) == 3 and {row[KIND_BYTE] for row in batch.rows} == {29}
    notes.refused(None, "private/buy", "UNAUTHORIZED", 99)
    made.close(99 * SECOND)
    assert len(batch.rows) == 4
    numbers = [head.number for head, _ in read_log(tmp_path / "log")]
    assert numbers == [*range(1, 27)]


def test_what_a_command_wrote_meanwhile_is_vouched_for(tmp_path):
    made, batch = writer(tmp_path / "log")
    made.start(0)
    GatewayLog(tmp_path / "log").append([{"method": "host admin show", "time_ns": 1}], 1)
    made.tick(ATTEST_EVERY_NS)
    finished(made)
    made.tick(2 * ATTEST_EVERY_NS)
    assert len(batch.rows) == 1
    made.close(3 * ATTEST_EVERY_NS)
    assert len(batch.rows) == 1
    again, later = writer(tmp_path / "log")
    again.start(0)
    assert later.rows == batch.rows, "a start vouches for what is there"
    again.close(0)


def test_a_disk_that_takes_nothing_stops_no_trading_and_loses_no_count(tmp_path, caplog):
    notes, folder = Notes(), tmp_path / "log"
    folder.write_text("in the way")
    made, batch = writer(folder, notes)
    for second in range(5):
        notes.refused(None, "private/buy", "UNAUTHORIZED", second)
        made.tick(second * SECOND)
        finished(made)
    assert "cannot be written" in caplog.text and batch.rows == []
    folder.unlink()
    made.tick(9 * SECOND)
    finished(made)
    made.close(10 * SECOND)
    assert sum(record["count"] for _, record in read_log(folder)) == 5


def test_officers_reads_on_the_host_are_noted(tmp_path, capsys):
    keys = [str(tmp_path / f"{name}.key") for name in ("ann", "ben")]
    data = str(tmp_path / "data")
    named = officer_words(("Ann", keys[0]), ("Ben", keys[1]))
    assert cli.main(["admin", "init", "--data", data, *named]) == 0
    for words in (["list-changes"], ["lapses", "--days", "9"]):
        assert cli.main(["admin", *words, "--data", data, "--as", keys[1]]) == 0
    assert cli.main(["alerts", "list", "--data", data]) == 0
    with pytest.raises(SystemExit):
        cli.main(["admin", "client", "nobody", "--data", data, "--as", keys[0]])
    log = GatewayLog(Path(data) / "gateway-log")
    found = [(row["method"], row.get("about"), row.get("key")) for _, row in read_log(log.folder)]
    assert found == [
        ("host admin list-changes", "state=proposed", 2),
        ("host admin lapses", "days=9", 2),
        ("host alerts list", "state=all", None),
        ("host admin client", "client=nobody", 1),
    ]
