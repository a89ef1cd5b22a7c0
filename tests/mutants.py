"""Seventy-five ways to break the engine, each as a patch of one line, and the script that must notice each of them.

Run as a program with a folder: puts the folder's copy of the engine beside the model and exits with 1 as soon as the
two differ (the mutant is caught) and 0 when they never do.
"""

import signal
import sys
from dataclasses import dataclass
from pathlib import Path

COMMAND_SECONDS = 3.0
"""Processor time after which a command counts as an endless loop; it takes a thousandth of that."""
REMINDER_SECONDS = 0.5
"""The interruption is repeated: one that falls into a call back from numpy is swallowed there."""
FEW_ITEMS, MANY_ORDERS = 4, 30
"""How many items of work a command does, and how many orders there are, while rights are lost."""
CLOSING, CLOSING_SEED = 400, 4
"""How many commands of a flow with closing orders are played."""


@dataclass(frozen=True)
class Mutant:
    """One break: in a file of the engine, one place of a text becomes another."""

    name: str
    file: str
    old: str
    new: str


MUTANTS = (
    Mutant(
        "fill at the taker's price",
        "matching.py",
        "        _trade(s, contract, maker_slot, price_ticks)\n",
        "        _trade(s, contract, maker_slot, taker.price_ticks)\n",
    ),
    Mutant(
        "last come, first served",
        "matching.py",
        "maker_slot = np.int64(level_at(s, ladder.first_slot).head_slot)",
        "maker_slot = np.int64(level_at(s, ladder.first_slot).tail_slot)",
    ),
    Mutant(
        "phantom best after a cancel",
        "book.py",
        "    if book_side.first_slot == slot:\n",
        "    if book_side.first_slot == slot and level.price_ticks & 1:\n",
    ),
    Mutant(
        "order ids used again",
        "book.py",
        "    s.order_serial += 1\n",
        "    s.order_serial = s.orders_live\n",
    ),
    Mutant(
        "client ids live on after the order",
        "book.py",
        "    cl_ord_id = order_at(s, slot).cl_ord_id\n    if cl_ord_id != 0:\n        if cell",
        "    cl_ord_id = order_at(s, slot).cl_ord_id\n    if cl_ord_id < 0:\n        if cell",
    ),
    Mutant(
        "deletion leaves a hole in the probe",
        "idmap.py",
        "    if unlikely(was_full):\n",
        "    if was_full and mask == 0:\n",
    ),
    Mutant(
        "band on the winning side",
        "fill_or_kill.py",
        "        return price_ticks <= contract.max_buy_ticks\n",
        "        return price_ticks >= contract.min_sell_ticks\n",
    ),
    Mutant(
        "post-only slides onto the best price",
        "admission.py",
        "taker.sweep_ticks = best - 1 if taker.side == Side.BUY else best + 1",
        "taker.sweep_ticks = best",
    ),
    Mutant(
        "cancel both spares the taker",
        "matching.py",
        "    if mode != SelfTrade.CANCEL_MAKER:\n",
        "    if mode == SelfTrade.CANCEL_TAKER:\n",
    ),
    Mutant(
        "decrement sees only what an iceberg shows",
        "matching.py",
        "lots = min(taker.leaves_lots, order_at(s, maker_slot).leaves_lots)",
        "lots = min(taker.leaves_lots, book.shown_lots(s, maker_slot))",
    ),
    Mutant(
        "an iceberg keeps its place when it refills",
        "book.py",
        "        _unlink(s, level_slot, slot)\n"
        "        _enqueue(s, level_slot, slot, _is_affiliated(s, slot))\n    detail",
        "        pass\n    detail",
    ),
    Mutant(
        "reduce-only excess cut from the best price",
        "matching.py",
        "    return (order.price_ticks < worst.price_ticks) == (order.side == Side.BUY)",
        "    return (order.price_ticks < worst.price_ticks) != (order.side == Side.BUY)",
    ),
    Mutant(
        "released entry cost rounded up",
        "ledger.py",
        "    return mul_div_floor(entry_cost_micros, closed_lots, size_lots)",
        "    return -mul_div_floor(-entry_cost_micros, closed_lots, size_lots)",
    ),
    Mutant(
        "fees rounded down",
        "units.py",
        "    return mul_ppb_ceil(notional_micros, rate_ppb)",
        "    return mul_ppb_floor(notional_micros, rate_ppb)",
    ),
    Mutant(
        "fill-or-kill counts what is out of the band",
        "fill_or_kill.py",
        "        if in_band(contract, side, level.price_ticks):\n",
        "        if level_slot != NIL:\n",
    ),
    Mutant(
        "more quantity keeps priority",
        "orders.py",
        "taker.leaves_lots <= order.leaves_lots and c.flags",
        "c.flags",
    ),
    Mutant(
        "a trailing stop follows the price both ways",
        "triggers.py",
        "        detail.watermark_subticks = max(detail.watermark_subticks, value_subticks)\n",
        "        detail.watermark_subticks = value_subticks\n",
    ),
    Mutant(
        "an order outlives its expiry",
        "timers.py",
        "        if due > s.now_ns:\n",
        "        if due >= s.now_ns:\n",
    ),
    Mutant(
        "a mass cancel takes orders that came after it",
        "cancel_queue.py",
        "book.serial_of(order.order_id) >= job.before_serial",
        "book.serial_of(order.order_id) > job.before_serial + 9",
    ),
    Mutant(
        "time goes back",
        "step.py",
        "    s.now_ns = max(s.now_ns, c.time_ns)\n",
        "    s.now_ns = c.time_ns\n",
    ),
    Mutant(
        "evidence counts at the instant at which it ends",
        "eligibility.py",
        "    if values[AccountAttribute.EVIDENCE_UNTIL_NS] <= s.now_ns:\n",
        "    if values[AccountAttribute.EVIDENCE_UNTIL_NS] < s.now_ns:\n",
    ),
    Mutant(
        "a lapse cancels without its cause",
        "cancel_queue.py",
        "    job_at(s, slot).reason = reason\n",
        "    job_at(s, slot).reason = Reason.MASS_CANCEL\n",
    ),
    Mutant(
        "anybody places orders for a cleared account",
        "eligibility.py",
        "0 <= person < s.persons_used and s.now_ns < s.persons[person]",
        "0 <= person < s.persons_used",
    ),
    Mutant(
        "a group's limit counts the better case",
        "exposure_limits.py",
        "    return max(max(size, 0) + position.buy_lots, max(-size, 0) + position.sell_lots)\n",
        "    return min(max(size, 0) + position.buy_lots, max(-size, 0) + position.sell_lots)\n",
    ),
    Mutant(
        "an account bound later is not frozen with its client",
        "accounts.py",
        "    clients.put_in_force(s, account_slot)\n    everything",
        "    if code != AccountAttribute.CLIENT:\n        clients.put_in_force(s, account_slot)\n    everything",
    ),
    Mutant(
        "a freeze of the client cancels the orders of one account alone",
        "mass_cancel.py",
        "cancel_queue.enter_account(s, job, np.int64(account_at(s, job.member_slot).client_next_slot))",
        "cancel_queue.enter_account(s, job, np.int64(NIL))",
    ),
    Mutant(
        "a client's exposure is counted account by account",
        "exposure_limits.py",
        "        left = _left_micros(s, member, left)\n",
        "        left = left if member != account_slot else _left_micros(s, member, left)\n",
    ),
    Mutant(
        "the kill switch of a client switches nothing",
        "clients.py",
        "    if row.killed != 0:\n        account.killed = 1\n",
        "    if row.killed > 1:\n        account.killed = 1\n",
    ),
    Mutant(
        "lifting an account's own restriction lifts its client's freeze",
        "clients.py",
        "    if row.frozen != 0:\n        account.restriction = Restriction.FROZEN\n",
        "    if row.frozen != 0 and account.restriction != 0:\n        account.restriction = Restriction.FROZEN\n",
    ),
    Mutant(
        "an account moves on to another client",
        "clients.py",
        "(bound != 0 and bound != client)",
        "(bound < 0 and bound != client)",
    ),
    Mutant(
        "an affiliate's approval never ends",
        "eligibility.py",
        "s.now_ns < approval_at(s, place).from_ns or s.now_ns >= approval_at(s, place).until_ns",
        "s.now_ns < approval_at(s, place).from_ns",
    ),
    Mutant(
        "a new disclosure cancels the orders of those who acknowledged it",
        "cancel_queue.py",
        "    if job.scope & UNACKNOWLEDGED and _is_acknowledged(s, job, position):\n",
        "    if job.scope & UNACKNOWLEDGED and not _is_acknowledged(s, job, position):\n",
    ),
    Mutant(
        "a disclosure that is taken back saves what it had cancelled",
        "cancel_queue.py",
        "has_acknowledged(s, position.account_slot, job.label[0], job.label[1], job.label[2])",
        "has_acknowledged(s, position.account_slot, s.required_product, s.required_loss, s.required_affiliate)",
    ),
    Mutant(
        "who acknowledges in time saves what was lost",
        "eligibility_lapses.py",
        "    if new == old or (new > old and not _waits_for_disclosures(s)):\n",
        "    if new >= old:\n",
    ),
    Mutant(
        "an acknowledgement that is taken back ends nothing",
        "eligibility_lapses.py",
        "    if new == old or (new > old and not _waits_for_disclosures(s)):\n",
        "    if new <= old or not _waits_for_disclosures(s):\n",
    ),
    Mutant(
        "matching looks at no maker",
        "matching.py",
        "        if lost != 0:\n",
        "        if lost == NIL:\n",
    ),
    Mutant(
        "who is restored while the queue waits trades on",
        "standing.py",
        "    if place != NIL:\n",
        "    if place < NIL:\n",
    ),
    Mutant(
        "a mass cancel that waits leaves its account as it was",
        "eligibility.py",
        " or account.liquidating or account.pending_jobs != 0:\n",
        " or account.liquidating:\n",
    ),
    Mutant(
        "a mass cancel on many accounts is looked at when it is done",
        "standing.py",
        "    if s.jobs_wide == 0 and s.now_ns < account.eligible_until_ns:\n",
        "    if s.now_ns < account.eligible_until_ns:\n",
    ),
    Mutant(
        "a maker's dates end at the next second",
        "standing.py",
        "    if s.jobs_wide == 0 and s.now_ns < account.eligible_until_ns:\n",
        "    if s.jobs_wide == 0:\n",
    ),
    Mutant(
        "a maker's person may forget",
        "standing.py",
        "account.gate == eligibility.PERSONAL and eligibility.knows(s, own_at(s, slot).person)",
        "account.gate == eligibility.PERSONAL",
    ),
    Mutant(
        "a maker's approval ends at the next second",
        "standing.py",
        "        reason = eligibility.contract_reason(s, position.account_slot, position.contract_slot)\n",
        "        pass\n",
    ),
    Mutant(
        "fill-or-kill counts what is to be cancelled",
        "fill_or_kill.py",
        "        if standing.lost_reason(s, slot) != 0:\n",
        "        if order.order_id == 0:\n",
    ),
    Mutant(
        "the report of a mass cancel leaves out what was met on the way",
        "matching.py",
        "        job_at(s, place).cancelled += 1\n",
        "        job_at(s, place).cancelled += 0\n",
    ),
    Mutant(
        "an amendment saves an order from the queue",
        "orders.py",
        "    if slot == NIL or (s.jobs_count != 0 and cancel_queue.covering(s, slot) != NIL):\n",
        "    if slot == NIL:\n",
    ),
    Mutant(
        "orders forget who placed them",
        "book.py",
        "    own.person = person\n",
        "    own.person = 1\n",
    ),
    Mutant(
        "who amends an order does not take it over",
        "orders.py",
        "    own_at(s, slot).person = taker.person\n    taker.old_leaves_lots = 0\n",
        "    taker.old_leaves_lots = 0\n",
    ),
    Mutant(
        "a person's knowledge ends without a word",
        "accounts.py",
        "    if old > s.now_ns and d.value <= s.now_ns:\n",
        "    if old > s.now_ns and d.value < 0:\n",
    ),
    Mutant(
        "a person's date passes without a word",
        "eligibility_lapses.py",
        "        _enter(s, PERSON_LADDER, person, s.persons[person])\n",
        "        pass\n",
    ),
    Mutant(
        "a key that is revoked ends what others placed",
        "cancel_queue.py",
        "    return job.person == NIL or own_at(s, slot).person == job.person\n",
        "    return True\n",
    ),
    Mutant(
        "institutions keep what nobody knows about",
        "directives.py",
        "        if asks:\n",
        "        if old == NIL:\n",
    ),
    Mutant(
        "who is no institution any more keeps what nobody knows about",
        "accounts.py",
        "    elif not asked and eligibility.needs_person(s, account_at(s, slot)):\n",
        "    elif asked and not eligibility.needs_person(s, account_at(s, slot)):\n",
    ),
    Mutant(
        "a suspension takes what reduces",
        "accounts.py",
        "        if everything != Reason.NONE:\n",
        "        if reason != Reason.NONE:\n",
    ),
    Mutant(
        "a suspension leaves what opens",
        "eligibility.py",
        "    if opens and (account.restriction == Restriction.SUSPENDED or account.killed):\n        return Reason",
        "    if opens and account.killed:\n        return Reason",
    ),
    Mutant(
        "a kill switch leaves what opens",
        "eligibility.py",
        "    if opens and (account.restriction == Restriction.SUSPENDED or account.killed):\n        return Reason",
        "    if opens and account.restriction == Restriction.SUSPENDED:\n        return Reason",
    ),
    Mutant(
        "who is suspended reduces though it is stopped",
        "eligibility.py",
        "account_at(s, account_slot).restriction == Restriction.SUSPENDED and s.now_ns < until_ns",
        "account_at(s, account_slot).restriction == Restriction.SUSPENDED and until_ns < 0",
    ),
    Mutant(
        "a contract that is reduced keeps what opens",
        "reference_prices.py",
        "    if state == MarketState.REDUCE_ONLY:\n",
        "    if state == NIL:\n",
    ),
    Mutant(
        "affiliates stand among clients",
        "book.py",
        "    if affiliated:\n",
        "    if level_slot != NIL:\n",
    ),
    Mutant(
        "the first order at a price is nobody's",
        "book.py",
        "    level.affiliated_head_slot = slot if affiliated else NIL\n",
        "    level.affiliated_head_slot = NIL\n",
    ),
    Mutant(
        "the queue of affiliates loses its head",
        "book.py",
        "behind if level.affiliated_head_slot == slot else level.affiliated_head_slot",
        "level.affiliated_head_slot if level.affiliated_head_slot == slot else level.affiliated_head_slot",
    ),
    Mutant(
        "an affiliate's iceberg refills as a client's",
        "book.py",
        "_enqueue(s, level_slot, slot, _is_affiliated(s, slot))",
        "_enqueue(s, level_slot, slot, 0)",
    ),
    Mutant(
        "a client's iceberg refills as an affiliate's",
        "book.py",
        "_enqueue(s, level_slot, slot, _is_affiliated(s, slot))",
        "_enqueue(s, level_slot, slot, 1)",
    ),
    Mutant(
        "who is tagged keeps its places",
        "accounts.py",
        "    if eligibility.is_tagged(account):\n",
        "    if account_slot == NIL:\n",
    ),
    Mutant(
        "who is tagged yields in the order of age",
        "book.py",
        "                _yield_level(s, row.level_slot, account_slot)\n",
        "                if level_at(s, row.level_slot).orders > 1:\n"
        "                    _unlink(s, row.level_slot, slot)\n"
        "                    _enqueue(s, row.level_slot, slot, 1)\n"
        "                else:\n"
        "                    level_at(s, row.level_slot).affiliated_head_slot = slot\n"
        "                row.flags |= EXEC_AFFILIATE\n",
    ),
    Mutant(
        "an amended order keeps the class that it had",
        "orders.py",
        "    eligibility.classify(s, s.taker)\n    leave_amended",
        "    leave_amended",
    ),
    Mutant(
        "fill-or-kill takes an affiliate's stop for a client's",
        "fill_or_kill.py",
        "stop_slot != NIL and (order.flags ^ order_at(s, stop_slot).flags) & EXEC_AFFILIATE == 0",
        "stop_slot != NIL",
    ),
    Mutant(
        "closing is refused for margin",
        "admission.py",
        "        if reason == Reason.NONE or not _only_closes(s):\n",
        "        if reason != NIL:\n",
    ),
    Mutant(
        "closing takes no heed of the account's other orders of its side",
        "margin.py",
        " - of_side(position, side).buy_lots - position.reduce_only_lots\n",
        "\n",
    ),
    Mutant(
        "closing takes no heed of resting reduce-only orders",
        "margin.py",
        " - of_side(position, side).buy_lots - position.reduce_only_lots\n",
        " - of_side(position, side).buy_lots\n",
    ),
    Mutant(
        "an amended order is an other order to itself",
        "admission.py",
        "    return taker.leaves_lots <= closable + taker.old_leaves_lots\n",
        "    return taker.leaves_lots <= closable\n",
    ),
    Mutant(
        "one lot more than the position closes",
        "admission.py",
        "    return taker.leaves_lots <= closable + taker.old_leaves_lots\n",
        "    return taker.leaves_lots <= closable + taker.old_leaves_lots + 1\n",
    ),
    Mutant(
        "the last lot of the position does not close",
        "admission.py",
        "    return taker.leaves_lots <= closable + taker.old_leaves_lots\n",
        "    return taker.leaves_lots < closable + taker.old_leaves_lots\n",
    ),
    Mutant(
        "closing is let in without becoming reduce-only",
        "admission.py",
        "    s.taker.flags |= EXEC_REDUCE_ONLY | FLAG_MADE_REDUCE_ONLY\n",
        "    s.taker.flags |= FLAG_MADE_REDUCE_ONLY\n",
    ),
    Mutant(
        "an order made reduce-only is no repeat of itself",
        "orders.py",
        "    if flags & EXEC_REDUCE_ONLY and detail_at(s, slot).made_reduce_only:\n",
        "    if flags & EXEC_REDUCE_ONLY == NIL:\n",
    ),
)


def mutate(mutant: Mutant, package: Path) -> None:
    """Break the copy of the engine in a folder; the text must be there exactly once."""
    path = package / mutant.file
    source = path.read_text()
    found = source.count(mutant.old)
    if found != 1:
        raise ValueError(f"{mutant.name}: its text is {found} times in {mutant.file}; bring the patch up to date")
    path.write_text(source.replace(mutant.old, mutant.new))


def _give_up(*_: object) -> None:
    raise TimeoutError("the engine does not come back from a command")


def differs() -> bool:
    """Whether engine and model part on the fixed scripts; a crash or an endless loop of the engine counts."""
    from tests.flow import Mix, crowd, flow, houses, icebergs, lapses, owners, stage, storm, yielding
    from tests.pair import Pair

    signal.signal(signal.SIGVTALRM, _give_up)
    if _loses_otherwise():
        return True
    for script in (
        storm(),
        lapses(),
        owners(),
        icebergs(),
        yielding(),
        crowd(1),
        flow(7, 1500),
        flow(8, 1200, Mix(junk=0.0, lean_ticks=3, references=0.1)),
        houses() + flow(9, 600, Mix(houses=0.3, spread_ticks=3, conditional=0.1)),
    ):
        pair = Pair()
        try:
            for item in stage() + script:
                signal.setitimer(signal.ITIMER_VIRTUAL, COMMAND_SECONDS, REMINDER_SECONDS)
                pair.play([item])
        except Exception as error:
            print(f"{type(error).__name__}: {str(error)[:400]}")
            return True
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return _closes_otherwise()


def _loses_otherwise() -> bool:
    """Whether rights that are lost end otherwise than they should.

    Both do fewer items of waiting work a command here, so that a few orders keep the queue busy.
    """
    from engine import step
    from tests.model import work
    from tests.pair import Pair
    from tests.rights_flow import LIMITS, losses, rights_stage

    usual = work.ITEMS_PER_COMMAND
    step.WORK_ITEMS = work.ITEMS_PER_COMMAND = FEW_ITEMS
    pair = Pair(LIMITS)
    try:
        for item in rights_stage() + losses(MANY_ORDERS):
            signal.setitimer(signal.ITIMER_VIRTUAL, COMMAND_SECONDS, REMINDER_SECONDS)
            pair.play([item])
    except Exception as error:
        print(f"{type(error).__name__}: {str(error)[:400]}")
        return True
    step.WORK_ITEMS = work.ITEMS_PER_COMMAND = usual
    return False


def _closes_otherwise() -> bool:
    """Whether closing orders become something else than they should, in scripts and beside the model."""
    from engine.codes import ExecInst, Mode, Reason
    from tests import money_flow, test_closing
    from tests.money_stage import LIMITS
    from tests.pair import Pair

    try:
        test_closing.test_only_what_lies_wholly_within_the_position_closes()
        for flags in (0, ExecInst.REDUCE_ONLY):
            test_closing.test_other_orders_of_its_side_take_their_part(flags, 9, (0, True))
            test_closing.test_other_orders_of_its_side_take_their_part(flags, 10, (Reason.INSUFFICIENT_MARGIN, False))
        test_closing.test_an_amendment_is_judged_without_what_it_replaces()
        test_closing.test_a_repeat_of_what_was_made_reduce_only_is_a_repeat()
        money_flow.play(Pair(LIMITS, Mode.EXCHANGE), CLOSING_SEED, CLOSING)
    except Exception as error:
        print(f"{type(error).__name__}: {str(error)[:400]}")
        return True
    return False


if __name__ == "__main__":
    sys.path[:0] = [sys.argv[1], str(Path(__file__).parents[1])]
    sys.exit(1 if differs() else 0)
