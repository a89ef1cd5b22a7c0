import { useSignal } from "@preact/signals";
import { decimalsOf, shown, written } from "../shared/numbers";
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
        placeholder="min"
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
  const rows = trades.value.filter((trade) => trade.amount >= least).slice(0, SHOWN);
  if (rows.length === 0) return <p class="empty">{least > 0 ? "No trade of this amount lately." : "No trade yet."}</p>;
  return (
    <table class="tape" aria-label="latest trades">
      <thead>
        <tr>
          <th scope="col">Price</th>
          <th scope="col" class="number">
            Amount
          </th>
          <th scope="col" class="number">
            Time
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((trade) => (
          <tr key={trade.trade_seq}>
            <td>
              <Side direction={trade.direction} text={shown(trade.price, decimalsOf(of.tick_size))} />
            </td>
            <td class="number">{shown(trade.amount, decimalsOf(of.amount_step))}</td>
            <td class="number dim">
              <Time ms={trade.timestamp} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Liquidations({ of }: { of: Instrument }) {
  if (liquidations.value.length === 0) return <p class="empty">No liquidation since this page was opened.</p>;
  return (
    <table class="tape" aria-label="latest liquidations">
      <thead>
        <tr>
          <th scope="col">Price</th>
          <th scope="col" class="number">
            Closed
          </th>
          <th scope="col" class="number">
            Time
          </th>
        </tr>
      </thead>
      <tbody>
        {liquidations.value.map((closed) => (
          <tr
            key={`${closed.timestamp}/${closed.price}/${closed.amount}`}
            title={`${closed.type}: a ${closed.direction === "sell" ? "long" : "short"} position was closed`}
          >
            <td>
              <Side direction={closed.direction} text={shown(closed.price, decimalsOf(of.tick_size))} />
            </td>
            <td class="number">
              {shown(closed.amount, decimalsOf(of.amount_step))}
              {closed.type === "deleveraging" ? " ADL" : ""}
            </td>
            <td class="number dim">
              <Time ms={closed.timestamp} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

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
