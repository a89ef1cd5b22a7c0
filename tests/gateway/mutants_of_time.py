"""Ways to break the venue's time and the dead-man's switches, each as a patch of one place."""

from tests.gateway.mutants import Mutant

CLOCK = "tests/gateway/test_clock.py"
JUMPS = "tests/gateway/venue/test_clock_jumps.py"
SESSION = "tests/gateway/sessions/test_session.py"
SWITCHES = "tests/gateway/venue/test_dead_mans_switches.py"

TIME_MUTANTS = (
    Mutant(
        "a jump of the wall clock gets into the stamps",
        "clock.py",
        "(0 if self.is_doubtful else max(-reach, min(reach, away)))",
        "away",
        f"{CLOCK}::test_a_wall_clock_that_jumps_ahead_stops_orders_until_it_is_back",
    ),
    Mutant(
        "a clock that was accepted before it jumped is believed",
        "venue/clock_watch.py",
        "        if number > self._known_change:\n",
        "        if number:\n",
        f"{JUMPS}::test_two_officers_accept_a_clock_that_has_jumped_while_the_venue_runs",
    ),
    Mutant(
        "many small steps of the wall clock are followed",
        "clock.py",
        "max(-reach, min(reach, away))",
        "away",
        f"{CLOCK}::test_many_small_steps_are_not_followed_further_than_one",
    ),
    Mutant(
        "orders are taken while the wall clock is far ahead",
        "clock.py",
        "        return self.away_ns > self._bounds.step_ns\n",
        "        return False\n",
        f"{CLOCK}::test_a_wall_clock_that_jumps_ahead_stops_orders_until_it_is_back",
    ),
    Mutant(
        "a start believes every wall clock",
        "clock.py",
        '-behind_ns > stop_ns and accepted != "wall"',
        "False",
        f"{CLOCK}::test_a_stop_of_some_days_is_believed_and_a_longer_one_is_asked_about",
    ),
    Mutant(
        "time begins before the log's end",
        "clock.py",
        "self.lead_ns, self.away_ns = steady, max(0, behind_ns), 0",
        "self.lead_ns, self.away_ns = steady, 0, 0",
        f"{CLOCK}::test_a_log_that_is_ahead_is_refused_unless_accepted_and_then_time_goes_on_from_it",
    ),
    Mutant(
        "signatures go by the time of a log that is ahead",
        "sessions/state.py",
        "        return self.now_ns - self.context.time.lead_ns\n",
        "        return self.now_ns\n",
        f"{JUMPS}::test_a_log_that_is_ahead_lets_clients_sign_with_the_time_of_people",
    ),
    Mutant(
        "a switch is acknowledged before it is in the log",
        "sessions/methods/session.py",
        "    return [Submit(switch_row(code, session.signer, value), SwitchPending(call))]\n",
        "    row = Submit(switch_row(code, session.signer, value), None)\n"
        "    return [row, Reply(call.reply(_OK, call.now_ns))]\n",
        f"{SWITCHES}::test_a_switch_is_durable_before_it_is_acknowledged",
    ),
    Mutant(
        "a start forgets whose connection was lost in a crash",
        "venue/venue.py",
        "        self._cancel_for_lost()\n",
        "",
        f"{SWITCHES}::test_switches_are_recovered_from_whatever_is_left",
    ),
    Mutant(
        "a start waits for the next tick before it looks at countdowns",
        "venue/venue.py",
        "        self._cancel_for_run_out()\n        self.settle()\n",
        "        self.settle()\n",
        f"{SWITCHES}::test_a_countdown_that_ran_out_meanwhile_cancels_at_the_start",
    ),
    Mutant(
        "the read model's file has no account's switch",
        "read_model/switches.py",
        "            *_rows(Switch.ACCOUNT, self.accounts.values()),\n",
        "",
        f"{SWITCHES}::test_switches_are_recovered_from_whatever_is_left",
    ),
    Mutant(
        "a switch stays on behind its cancels",
        "sessions/dead_mans_switch.py",
        'b"".join([*rows, switch_row(Switch.CONNECTION, signer, 0)])',
        'b"".join(rows)',
        f"{SESSION}::test_cancel_on_disconnect_acts_on_loss_and_not_on_logout",
    ),
    Mutant(
        "a countdown takes reduce-only stops too",
        "sessions/dead_mans_switch.py",
        "flags=EXEC_KEEP_PROTECTION",
        "flags=0",
        f"{SESSION}::test_the_countdown_runs_out_unless_asked_again",
    ),
)
