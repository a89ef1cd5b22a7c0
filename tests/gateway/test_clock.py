"""The venue's time on two clocks that the test drives: what it follows, what it does not, and where it begins."""

import itertools
from contextlib import contextmanager

import pytest

from gateway import clock
from gateway.clock import ClockError, TimeBounds, VenueTime, length

S, DAY = 10**9, 86_400 * 10**9
T0 = 1_790_000_000 * S
BOUNDS = TimeBounds(step_ns=S, stop_ns=30 * DAY)
LOOK_NS = S // 100


class Clocks:
    """Both clocks: `pass_time` moves them together, and `wall_ns` is set to let the wall clock jump."""

    def __init__(self, monkeypatch):
        self.wall_ns, self.steady_ns = T0, 5 * S
        monkeypatch.setattr(clock, "wall_ns", lambda: self.wall_ns)
        monkeypatch.setattr(clock, "steady_ns", lambda: self.steady_ns)

    def pass_time(self, time, span_ns=S):
        """Let time go on, with a look at the clocks each hundredth of a second; the stamps on the way."""
        stamps = []
        for _ in range(span_ns // LOOK_NS):
            self.wall_ns += LOOK_NS
            self.steady_ns += LOOK_NS
            time.follow()
            stamps.append(time.now_ns())
        steps = [after - before for before, after in itertools.pairwise(stamps)]
        assert all(abs(step - LOOK_NS) <= 2 * LOOK_NS // clock.SLEW for step in steps), "it goes on as the steady clock"
        return stamps

    @contextmanager
    def jump(self, span_ns):
        """The wall clock is wrong for a while."""
        self.wall_ns += span_ns
        yield
        self.wall_ns -= span_ns


@pytest.fixture
def clocks(monkeypatch):
    return Clocks(monkeypatch)


def started(log_ns=0, accepted=""):
    time = VenueTime(BOUNDS)
    time.start(log_ns, accepted)
    return time


def test_it_goes_with_both_clocks_while_they_agree(clocks):
    time = started()
    assert time.now_ns() == T0
    assert clocks.pass_time(time)[-1] == T0 + S == clocks.wall_ns
    assert not time.is_stopped and not time.is_doubtful


def test_a_wall_clock_that_jumps_ahead_stops_orders_until_it_is_back(clocks):
    time = started()
    with clocks.jump(400 * DAY):
        assert clocks.pass_time(time, 3 * S)[-1] == T0 + 3 * S, "nothing of the jump is in a stamp"
        assert time.is_stopped and time.is_doubtful and time.away_ns == 400 * DAY
    clocks.pass_time(time, LOOK_NS)
    assert not time.is_stopped and time.now_ns() == clocks.wall_ns


def test_a_wall_clock_that_is_set_back_is_not_followed_and_stops_nothing(clocks):
    time = started()
    with clocks.jump(-3600 * S):
        assert clocks.pass_time(time, 3 * S)[-1] == T0 + 3 * S
        assert time.is_doubtful and not time.is_stopped
    clocks.pass_time(time, LOOK_NS)
    assert not time.is_doubtful


@pytest.mark.parametrize("sign", [1, -1])
def test_a_small_difference_is_made_up_slowly(clocks, sign):
    time = started()
    clocks.wall_ns += sign * S // 2
    clocks.pass_time(time)
    assert time.now_ns() - (T0 + S) == sign * S // clock.SLEW
    clocks.pass_time(time, 100 * S)
    assert time.now_ns() == clocks.wall_ns and not time.is_doubtful


def test_many_small_steps_are_not_followed_further_than_one(clocks):
    """A clock that runs ten times too fast never gets into the stamps."""
    time = started()
    for _ in range(200):
        clocks.wall_ns += 9 * LOOK_NS
        clocks.pass_time(time, LOOK_NS)
    assert time.now_ns() - (T0 + 2 * S) <= 2 * S // clock.SLEW
    assert time.is_stopped


def test_a_look_that_was_interrupted_says_nothing(clocks, monkeypatch):
    time = started()
    looks = iter((clocks.steady_ns, clocks.steady_ns + 5 * S))
    monkeypatch.setattr(clock, "steady_ns", lambda: next(looks))
    time.follow()
    assert not time.is_doubtful and time.away_ns == 0


# --- starting -----------------------------------------------------------------------------------------------------


def test_a_stop_of_some_days_is_believed_and_a_longer_one_is_asked_about(clocks):
    assert started(T0 - 29 * DAY).now_ns() == T0
    with pytest.raises(ClockError, match=r"400 days after the log's last command .*--accept-time wall"):
        started(T0 - 400 * DAY)
    with pytest.raises(ClockError):
        started(T0 - 400 * DAY, "log")
    assert started(T0 - 400 * DAY, "wall").now_ns() == T0


def test_a_log_that_is_ahead_is_refused_unless_accepted_and_then_time_goes_on_from_it(clocks):
    with pytest.raises(ClockError, match=r"2 h before the log's last command .*--accept-time log"):
        started(T0 + 2 * 3600 * S)
    with pytest.raises(ClockError):
        started(T0 + 2 * 3600 * S, "wall")
    time = started(T0 + 2 * 3600 * S, "log")
    assert time.now_ns() == T0 + 2 * 3600 * S and time.lead_ns == 2 * 3600 * S
    assert not time.is_doubtful and not time.is_stopped
    clocks.pass_time(time, 10 * S)
    assert time.lead_ns == 2 * 3600 * S - 10 * S // clock.SLEW, "it is made up slowly"
    assert time.now_ns() - time.lead_ns == clocks.wall_ns


def test_a_log_that_is_ahead_by_no_more_than_a_step_is_no_matter(clocks):
    time = started(T0 + S // 2)
    assert time.now_ns() == T0 + S // 2
    clocks.pass_time(time, 200 * S)
    assert time.lead_ns == 0 and time.now_ns() == clocks.wall_ns


def test_jumps_are_noticed_while_a_log_is_ahead(clocks):
    time = started(T0 + DAY, "log")
    with clocks.jump(3600 * S):
        clocks.pass_time(time, LOOK_NS)
        assert time.is_stopped and time.away_ns == 3600 * S


def test_lengths_for_people():
    assert [length(span) for span in (S // 2, 90 * S, 600 * S, 7300 * S, 400 * DAY)] == [
        "0.5 s", "90.0 s", "10 min", "2 h", "400 days",
    ]  # fmt: skip
