import { useSignal } from "@preact/signals";
import { decimalsOf, shown, written } from "../shared/numbers";
import { DataTable, type Column } from "../shared/table";
import { Tabs } from "../shared/tabs";
import { Time } from "../shared/time";
import type { Direction, Instrument } from "../shared/venue_types";
import { smallestTrade } from "./settings";
import { instrument, liquidations, trades } from "./state";

const SHOWN = 60;

/** Public trades, with a filter by amount, and forced trades. */
export function TradesPanel() {
  const chosen = useSignal<"trades" | "liquidations">("trades");
  const of = instrument.value;
  if (of === null) return null;
  return (
    <section class="panel trades" aria-label="trades">
      <div class="panel-head">
        <Tabs
          label="trades"
          tabs={[
            { name: "trades", title: "Trades" },
            { name: "liquidations", title: "Liquidations", count: liquidations.value.length },
          ]}
          chosen={chosen.value}
          onChoose={(name) => (chosen.value = name)}
        />
        {chosen.value === "trades" && <Filter of={of} />}
      </div>
      <div class="scrolls" tabIndex={0} role="group" aria-label={`list of ${chosen.value}`}>
        {chosen.value === "trades" ? <Trades of={of} /> : <Liquidations of={of} />}
      </div>
    </section>
  );
}

function Filter({ of }: { of: Instrument }) {
  return (
    <label class="filter">
      <input
        class="input small-input"
        aria-label={`smallest amount in ${of.base_currency}`}
        inputMode="decimal"
        placeholder="min size"
        value={smallestTrade.value[of.instrument_name] ?? ""}
        onInput={(event) =>
          (smallestTrade.value = { ...smallestTrade.value, [of.instrument_name]: event.currentTarget.value })
        }
      />
    </label>
  );
}

function Trades({ of }: { of: Instrument }) {
  const least = Number(written(smallestTrade.value[of.instrument_name] ?? "") ?? 0);
  return (
    <DataTable
      kind="tape"
      label="latest trades"
      rows={trades.value.filter((trade) => trade.amount >= least).slice(0, SHOWN)}
      keyOf={(trade) => trade.trade_seq}
      empty={least > 0 ? "No trade of this amount lately." : "No trade yet."}
      columns={[
        priceColumn(of),
        { head: "Amount", isNumber: true, cell: ({ amount }) => shown(amount, decimalsOf(of.amount_step)) },
        TIME,
      ]}
    />
  );
}

function Liquidations({ of }: { of: Instrument }) {
  return (
    <DataTable
      kind="tape"
      label="latest liquidations"
      rows={liquidations.value}
      keyOf={(closed) => `${closed.timestamp}/${closed.price}/${closed.amount}`}
      empty="No liquidation since this page was opened."
      attributes={(closed) => ({
        title: `${closed.type}: a ${closed.direction === "sell" ? "long" : "short"} position was closed`,
      })}
      columns={[
        priceColumn(of),
        {
          head: "Closed",
          isNumber: true,
          cell: ({ amount, type }) =>
            `${shown(amount, decimalsOf(of.amount_step))}${type === "deleveraging" ? " ADL" : ""}`,
        },
        TIME,
      ]}
    />
  );
}

function priceColumn(of: Instrument): Column<{ direction: Direction; price: number }> {
  const decimals = decimalsOf(of.tick_size);
  return {
    head: "Price",
    cell: ({ direction, price }) => <Side direction={direction} text={shown(price, decimals)} />,
  };
}

const TIME: Column<{ timestamp: number }> = {
  head: "Time",
  isNumber: true,
  cell: ({ timestamp }) => (
    <span class="dim">
      <Time ms={timestamp} />
    </span>
  ),
};

/** A text with its side by colour and by an arrow. */
export function Side({ direction, text }: { direction: Direction; text: string }) {
  const isBuy = direction === "buy";
  return (
    <span class={isBuy ? "up" : "down"}>
      <span class="arrow" aria-label={isBuy ? "buy" : "sell"}>
        {isBuy ? "▲" : "▼"}
      </span>
      {text}
    </span>
  );
}
