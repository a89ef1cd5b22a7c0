import { useComputed, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { csvOf, save } from "../shared/csv";
import { money, moneyDecimals, shown, signed, tone } from "../shared/numbers";
import { DataTable, Nothing, type Column } from "../shared/table";
import { Time } from "../shared/time";
import type { Order, UserTrade } from "../shared/venue_types";
import { flagsOf } from "./open_orders";
import { decimalsIn, fills, orders, portfolio, venue } from "./state";
import { Side } from "./trades_panel";
import { forcedBy, plain, sayReason, title } from "./words";

const PAGE = 50;
const YEAR_MS = 366 * 24 * 3600 * 1000;
const CSV_PAGES = 200;

interface Page<Row> {
  rows: Row[];
  /** Where the next page begins; null when there is none. */
  next: number | string | null;
}

interface HistoryProps<Row> {
  label: string;
  columns: Column<Row>[];
  keyOf(row: Row): string;
  empty: string;
  file: string;
  /** Asks for one page; `from` is null for the first. */
  load(currency: string, from: number | string | null): Promise<Page<Row>>;
  csv: [heads: string[], cells: (row: Row) => unknown[]];
  /** Anything whose change makes the first page new. */
  version: unknown;
}

/** Rows with those of a further page: what has come since has moved some onto it that were there before. */
function joined<Row>(rows: Row[], further: Row[], keyOf: (row: Row) => string): Row[] {
  const known = new Set(rows.map(keyOf));
  return [...rows, ...further.filter((row) => !known.has(keyOf(row)))];
}

/** A table that grows page by page, and saves all of its rows as CSV. */
function History<Row>({ label, columns, keyOf, empty, file, load, csv, version }: HistoryProps<Row>) {
  const rows = useSignal<Row[]>([]);
  const next = useSignal<number | string | null>(null);
  const said = useSignal("loading …");
  const currency = useComputed(() => portfolio.value?.currency ?? "");
  const take = async (from: number | string | null) => {
    if (currency.peek() === "") return;
    try {
      const page = await load(currency.peek(), from);
      rows.value = from === null ? page.rows : joined(rows.peek(), page.rows, keyOf);
      next.value = page.next;
      said.value = "";
    } catch (error) {
      said.value = sayReason(error);
    }
  };
  useEffect(() => void take(null), [currency.value, version]);
  const saveAll = async () => {
    let all: Row[] = [];
    let from: number | string | null = null;
    for (let pages = 1; ; pages++) {
      said.value = `page ${pages} …`;
      try {
        const page: Page<Row> = await load(currency.peek(), from);
        all = joined(all, page.rows, keyOf);
        from = page.next;
      } catch (error) {
        said.value = sayReason(error);
        return;
      }
      if (from === null || pages === CSV_PAGES) break;
    }
    said.value = from === null ? "" : `the file has the latest ${all.length} rows`;
    save(`${file}.csv`, csvOf(csv[0], all.map(csv[1])));
  };
  return (
    <>
      <div class="table-tools">
        <span class="dim" role="status">
          {said}
        </span>
        <button type="button" class="button small" disabled={rows.value.length === 0} onClick={() => void saveAll()}>
          Save as CSV
        </button>
      </div>
      <DataTable
        label={label}
        columns={columns}
        rows={rows.value}
        keyOf={keyOf}
        empty={said.value === "" ? empty : ""}
      />
      {next.value !== null && (
        <p class="empty">
          <button type="button" class="button small" onClick={() => void take(next.peek())}>
            Show more
          </button>
        </p>
      )}
    </>
  );
}

const amount = (name: string, value: number) => shown(value, decimalsIn(name).amount);
const price = (name: string, value: number | null) => shown(value, decimalsIn(name).price);
const Gain = ({ value }: { value: number }) => <span class={tone(value)}>{signed(value, moneyDecimals(value))}</span>;
const iso = (ms: number) => new Date(ms).toISOString();

const FILL_COLUMNS: Column<UserTrade>[] = [
  { head: "Time", cell: (one) => <Time ms={one.timestamp} withDate /> },
  { head: "Contract", cell: (one) => one.instrument_name },
  {
    head: "Side",
    cell: (one) => (
      <Side direction={one.direction} text={[title(one.direction), forcedBy(one)].filter(Boolean).join(", ")} />
    ),
  },
  { head: "Price", isNumber: true, cell: (one) => price(one.instrument_name, one.price) },
  { head: "Amount", isNumber: true, cell: (one) => amount(one.instrument_name, one.amount) },
  { head: "Fee", isNumber: true, cell: (one) => `${money(one.fee)} ${one.fee_currency}` },
  { head: "Role", cell: (one) => (one.liquidity === "M" ? "maker" : "taker") },
  { head: "Label", cell: (one) => one.label || <Nothing /> },
];

/** Own trades, the latest first. */
export function Fills() {
  const load = async (currency: string, from: number | string | null) => {
    const end = from === null ? {} : { end_id: from };
    const page = await venue.call<{ trades: UserTrade[]; has_more: boolean }>("private/get_user_trades_by_currency", {
      currency,
      count: PAGE,
      sorting: "desc",
      include_old: true,
      ...end,
    });
    // the next page begins with this trade again: the other side of it, which may be own too, is perhaps not here
    return { rows: page.trades, next: page.has_more ? (page.trades.at(-1)?.trade_id ?? null) : null };
  };
  return (
    <History
      label="fills"
      columns={FILL_COLUMNS}
      keyOf={(one) => `${one.trade_id}/${one.order_id}`}
      empty="No trade yet."
      file="fills"
      load={load}
      version={fills.value[0]?.trade_id}
      csv={[
        [
          "time_utc",
          "contract",
          "side",
          "price",
          "amount",
          "fee",
          "fee_currency",
          "role",
          "order_id",
          "trade_id",
          "label",
          "forced_by",
        ],
        (one) => [
          iso(one.timestamp),
          one.instrument_name,
          one.direction,
          one.price,
          one.amount,
          one.fee,
          one.fee_currency,
          one.liquidity,
          one.order_id,
          one.trade_id,
          one.label,
          forcedBy(one),
        ],
      ]}
    />
  );
}

const ORDER_COLUMNS: Column<Order>[] = [
  { head: "Time", cell: (one) => <Time ms={one.last_update_timestamp} withDate /> },
  { head: "Contract", cell: (one) => one.instrument_name },
  { head: "Side", cell: (one) => <Side direction={one.direction} text={title(one.direction)} /> },
  { head: "Type", cell: (one) => title(one.order_type) },
  {
    head: "Price",
    isNumber: true,
    cell: (one) => (typeof one.price === "number" ? price(one.instrument_name, one.price) : "market"),
  },
  { head: "Average", isNumber: true, cell: (one) => price(one.instrument_name, one.average_price || null) },
  { head: "Amount", isNumber: true, cell: (one) => amount(one.instrument_name, one.amount) },
  { head: "Filled", isNumber: true, cell: (one) => amount(one.instrument_name, one.filled_amount) },
  {
    head: "State",
    cell: (one) => (
      <span title={one.cancel_reason && plain(one.cancel_reason)}>
        {plain(one.order_state)}
        {one.cancel_reason && one.cancel_reason !== "user_request" ? ` (${plain(one.cancel_reason)})` : ""}
      </span>
    ),
  },
  { head: "Flags", cell: (one) => flagsOf(one).length > 0 ? <span class="dim">{flagsOf(one).join(", ")}</span> : <Nothing /> },
];

/** Orders that are over, the latest first. */
export function OrderHistory() {
  const load = async (currency: string, from: number | string | null) => {
    const offset = typeof from === "number" ? from : 0;
    const rows = await venue.call<Order[]>("private/get_order_history_by_currency", {
      currency,
      count: PAGE,
      offset,
      include_old: true,
      include_unfilled: true,
    });
    return { rows, next: rows.length === PAGE ? offset + PAGE : null };
  };
  return (
    <History
      label="order history"
      columns={ORDER_COLUMNS}
      keyOf={(one) => one.order_id}
      empty="No order is over yet."
      file="orders"
      load={load}
      version={orders.value}
      csv={[
        [
          "time_utc",
          "order_id",
          "contract",
          "side",
          "type",
          "price",
          "average_price",
          "amount",
          "filled",
          "state",
          "cancel_reason",
          "label",
        ],
        (one) => [
          iso(one.last_update_timestamp),
          one.order_id,
          one.instrument_name,
          one.direction,
          one.order_type,
          one.price,
          one.average_price,
          one.amount,
          one.filled_amount,
          one.order_state,
          one.cancel_reason,
          one.label,
        ],
      ]}
    />
  );
}

interface Settlement {
  timestamp: number;
  instrument_name: string;
  position: number;
  mark_price: number;
  funding: number;
  profit_loss: number;
}

const FUNDING_COLUMNS: Column<Settlement>[] = [
  { head: "Time", cell: (one) => <Time ms={one.timestamp} withDate /> },
  { head: "Contract", cell: (one) => one.instrument_name },
  { head: "Position", isNumber: true, cell: (one) => amount(one.instrument_name, one.position) },
  { head: "Mark", isNumber: true, cell: (one) => price(one.instrument_name, one.mark_price) },
  {
    head: "Received",
    isNumber: true,
    hint: "below zero is paid",
    cell: (one) => <Gain value={one.profit_loss} />,
  },
];

/** Funding that was paid and received. */
export function FundingPayments() {
  const load = async (currency: string, from: number | string | null) => {
    const page = await venue.call<{ settlements: Settlement[]; continuation: string }>(
      "private/get_settlement_history_by_currency",
      { currency, count: PAGE, ...(from === null ? {} : { continuation: from }) },
    );
    return {
      rows: page.settlements,
      next: page.continuation && page.continuation !== "none" ? page.continuation : null,
    };
  };
  return (
    <History
      label="funding payments"
      columns={FUNDING_COLUMNS}
      keyOf={(one) => `${one.timestamp}/${one.instrument_name}`}
      empty="No funding has been paid yet."
      file="funding"
      load={load}
      version={0}
      csv={[
        ["time_utc", "contract", "position", "mark_price", "received"],
        (one) => [iso(one.timestamp), one.instrument_name, one.position, one.mark_price, one.profit_loss],
      ]}
    />
  );
}

interface Transaction {
  id: number;
  timestamp: number;
  currency: string;
  type: string;
  change: number;
  balance: number;
  commission: number;
  instrument_name: string | null;
  side?: string;
  amount?: number;
  price?: number;
}

const TRANSACTION_COLUMNS: Column<Transaction>[] = [
  { head: "Time", cell: (one) => <Time ms={one.timestamp} withDate /> },
  { head: "Type", cell: (one) => title(one.type === "settlement" ? "funding" : one.type) },
  { head: "Contract", cell: (one) => one.instrument_name ?? <Nothing /> },
  {
    head: "Amount",
    isNumber: true,
    cell: (one) =>
      one.amount === undefined || one.instrument_name === null ? (
        <Nothing />
      ) : (
        `${one.side ?? ""} ${amount(one.instrument_name, one.amount)}`
      ),
  },
  {
    head: "Price",
    isNumber: true,
    cell: (one) =>
      one.price === undefined || one.instrument_name === null ? (
        <Nothing />
      ) : (
        price(one.instrument_name, one.price)
      ),
  },
  { head: "Fee", isNumber: true, cell: (one) => money(one.commission) },
  { head: "Change", isNumber: true, cell: (one) => <Gain value={one.change} /> },
  { head: "Balance", isNumber: true, cell: (one) => `${shown(one.balance, 2)} ${one.currency}` },
];

/** Everything that changed the balance. */
export function Transactions() {
  const load = async (currency: string, from: number | string | null) => {
    const end = venue.nowMs + 60_000;
    const page = await venue.call<{ logs: Transaction[]; continuation: number | null }>("private/get_transaction_log", {
      currency,
      start_timestamp: end - YEAR_MS,
      end_timestamp: end,
      count: PAGE,
      ...(from === null ? {} : { continuation: from }),
    });
    return { rows: page.logs, next: page.continuation };
  };
  return (
    <History
      label="transactions"
      columns={TRANSACTION_COLUMNS}
      keyOf={(one) => String(one.id)}
      empty="Nothing has changed the balance yet."
      file="transactions"
      load={load}
      version={fills.value[0]?.trade_id}
      csv={[
        ["time_utc", "type", "contract", "side", "amount", "price", "fee", "change", "balance", "currency"],
        (one) => [
          iso(one.timestamp),
          one.type,
          one.instrument_name,
          one.side,
          one.amount,
          one.price,
          one.commission,
          one.change,
          one.balance,
          one.currency,
        ],
      ]}
    />
  );
}
