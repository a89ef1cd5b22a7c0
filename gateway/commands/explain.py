"""`lionrock explain`: an account's margin line by line, from the journal alone."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from engine import host
from engine.statements import AccountStatement, PositionStatement, account_statement, lights
from gateway.commands.common import FAILED, MAX_ID, account_slot, add_data_argument, reason_of, whole
from gateway.config import Config
from gateway.read_model.margin_explanation import as_values, open_orders
from gateway.registry.registry import RegistryError

_EXAMPLES = """examples:
  lionrock explain alice
  lionrock explain 3
  lionrock explain 3 --data /var/lib/lionrock --until 120000
  lionrock explain 3 --json

It reads the journal, so it also works while the exchange runs, and for any moment of the past.
"""
MICROS = 1_000_000


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "explain",
        help="an account's margin line by line",
        description="Each position, each order, what they require, the headroom, and what would make it liquidatable.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("account", metavar="ACCOUNT", help="the account, by name or number")
    parser.add_argument("--until", type=whole(1, MAX_ID), metavar="SEQ", help="as of this sequence (default: the end)")
    add_data_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Explain as the arguments say; 0, or 2 with one line of error."""
    try:
        slot = account_slot(Path(args.data), args.account)
        root = _state(Path(args.data), args.until)
        statement = account_statement(root, slot)
    except (host.JournalError, RegistryError, OSError, ValueError) as error:
        print(f"lionrock explain: {reason_of(error, args)}", file=sys.stderr)
        return FAILED
    orders = open_orders(root, slot)
    if args.json:
        print(json.dumps(as_values(root, statement, orders)))
        return 0
    _show(root, statement, orders)
    return 0


def _state(folder: Path, until_seq: int | None) -> Any:
    """The state at the journal's end."""
    journal = folder if host.holds_journal(folder) else Config(data=str(folder)).journal
    if not host.holds_journal(journal):
        raise ValueError(f"{folder}: no journal there; name the data folder with --data")
    reader = host.JournalReader(journal)
    engine = host.Engine(host.create(reader.capacities, reader.mode))
    host.replay(reader, engine, until_seq)
    return engine.root


def _money(micros: int) -> str:
    return f"{micros / MICROS:,.6f}"


def _verdict(state: Any, position: PositionStatement) -> str:
    """When a position's pool would be liquidated, in words."""
    if position.size_lots == 0:
        return "flat"
    if position.liquidation_subticks == 0:
        return "no mark of this contract alone makes it liquidatable"
    way = "falls to" if position.size_lots > 0 else "rises to"
    mark = int(state["contracts"][position.contract_slot]["mark_subticks"])
    distance = abs(position.liquidation_subticks - mark) / mark
    return f"liquidatable when the mark {way} {position.liquidation_subticks / 1000:,.3f} ticks ({distance:.2%} away)"


def _show(root: Any, statement: AccountStatement, orders: list[dict[str, Any]]) -> None:
    state, console = root[0], Console(highlight=False)
    money = Table(title=f"account {statement.account_slot} at sequence {int(state['last_seq']):,}", show_header=False)
    money.add_row("cash", _money(statement.cash_micros))
    for held in statement.collateral:
        coin, haircut = f"{held.units / 1e8:,.8f} {held.asset.name}", f"{held.haircut_ppb / 1e7:g} %"
        what = f"+ {coin} at {_money(held.coin_micros)} less {haircut}"
        money.add_row(what, _money(held.value_micros))
    money.add_row("+ unrealised profit of cross positions", _money(statement.unrealised_micros))
    money.add_row("= equity", _money(statement.equity_micros))
    money.add_row("- initial margin, fees and open loss", _money(statement.requirement_micros))
    money.add_row("= free for new orders", _money(statement.free_micros))
    money.add_row("maintenance margin", _money(statement.maintenance_micros))
    money.add_row("headroom before liquidation", _money(statement.headroom_micros))
    money.add_row("withdrawable", _money(statement.withdrawable_micros))
    money.add_row("flagged for liquidation", "yes" if statement.is_flagged else "no")
    console.print(money)
    for position in statement.positions:
        _show_position(console, root, position)
    for order in orders:
        kind = "reduce-only, " if order["reduce_only"] else "untriggered, " if order["untriggered"] else ""
        kind = "reduce-only by the venue's doing, " if order["made_reduce_only"] else kind
        console.print(
            f"order {order['order_id']}: {order['side']} {order['leaves_lots']:,} lots at {order['price_ticks']:,} "
            f"ticks ({kind}counts {_money(order['notional_micros'])}, open loss {_money(order['open_loss_micros'])})",
            soft_wrap=True,
        )


def _show_position(console: Console, root: Any, position: PositionStatement) -> None:
    state = root[0]
    contract = state["contracts"][position.contract_slot]
    mode = f"isolated with {_money(position.isolated_micros)}" if position.is_isolated else "cross"
    table = Table(title=f"contract {position.contract_slot}, {mode}, leverage {position.leverage}", show_header=False)
    table.add_row("size", f"{position.size_lots:,} lots")
    table.add_row("entry cost", _money(position.entry_cost_micros))
    table.add_row("mark", f"{int(contract['mark_subticks']) / 1000:,.3f} ticks")
    table.add_row("notional at the mark", _money(position.notional_micros))
    table.add_row("unrealised profit", _money(position.unrealised_micros))
    table.add_row("initial margin", _money(position.initial_micros))
    table.add_row("maintenance margin", _money(position.maintenance_micros))
    table.add_row("required with its orders", _money(position.requirement_micros))
    table.add_row("may be closed whatever the margin", f"{position.closable_lots:,} lots")
    table.add_row("bankruptcy price", f"{position.bankruptcy_ticks:,} ticks" if position.size_lots else "")
    table.add_row("deleveraging lights", str(int(lights(root, position.position_slot))))
    console.print(table)
    console.print(_verdict(state, position))
