"""The load generator: what it sends is what the venue takes, and its measures measure."""

import os

import numpy as np
import pytest

from bench import gateway_load
from engine.codes import CommandKind
from engine.schema import COMMAND
from gateway.cli import main


def payload_of(frame):
    """What a masked frame carries."""
    size = frame[1] & 127
    head = 4 if size == 126 else 10 if size == 127 else 2
    key, masked = frame[head : head + 4], frame[head + 4 :]
    return bytes(byte ^ key[place % 4] for place, byte in enumerate(masked))


@pytest.mark.parametrize("rows", [1, 3, 256, 512, 700, 2048])
def test_a_script_of_rows_never_has_more_open_than_an_account_may(rows):
    script = gateway_load.row_script(0, [10, 20, 30], 1000, rows)
    sent = np.concatenate([np.frombuffer(payload_of(frame), COMMAND) for frame in script.frames])
    assert len(sent) == rows * len(script.frames) and script.orders_per_frame == rows
    open_ids, most = set(), 0
    for row in sent:
        if row["kind"] == CommandKind.NEW:
            assert int(row["cl_ord_id"]) not in open_ids
            open_ids.add(int(row["cl_ord_id"]))
        else:
            open_ids.remove(int(row["cl_ord_id"]))
        most = max(most, len(open_ids))
    assert not open_ids  # so that it can begin again
    assert most <= gateway_load.OPEN_ROWS


def test_the_processor_time_of_a_process_is_read():
    before = gateway_load.cpu_seconds(os.getpid())
    while gateway_load.cpu_seconds(os.getpid()) == before:
        sum(range(10_000))
    assert gateway_load.cpu_seconds(os.getpid()) > before
    assert gateway_load.cpu_seconds(0) == 0.0


def test_what_an_order_cost_is_spread_over_the_orders():
    result = gateway_load.Result("orders", 1, seconds=2.0, orders=1000, cpu_seconds=0.5)
    assert (result.rate, result.cpu_us) == (500.0, 500.0)
    assert gateway_load.Result("nothing", 1).cpu_us == 0.0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--rows 0", "connections, window, rows (at most 2048) and seconds must be positive"),
        ("--seconds -1", "connections, window, rows (at most 2048) and seconds must be positive"),
        ("--busy-poll -5", "busy_poll_us: -5 must be from 0 to 1000000"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_starts(flags, said, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["load", *flags.split()])
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"lionrock load: {said}\n"
