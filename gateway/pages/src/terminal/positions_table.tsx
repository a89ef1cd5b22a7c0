import { signal } from "@preact/signals";
import { decimalText, MINUS, shown, signed, tone } from "../shared/numbers";
import { onPress } from "../shared/presses";
import { DataTable, type Column } from "../shared/table";
import type { Position } from "../shared/venue_types";
import { place } from "./actions";
import { ask } from "./confirmation";
import { chooseInstrument } from "./market_feed";
import { CloseDialog, ProtectDialog } from "./position_dialogs";
import { decimalsIn, positions } from "./state";
import { plain } from "./words";

const closing = signal<Position | null>(null);
const protecting = signal<Position | null>(null);

/** Open positions, with the profit that the venue says at each mark. */
export function Positions() {
  const find = (position: Position | null) =>
    positions.value.find((one) => one.instrument_name === position?.instrument_name);
  const toClose = find(closing.value);
  const toProtect = find(protecting.value);
  return (
    <>
      <DataTable
        label="positions"
        columns={COLUMNS}
        rows={positions.value}
        keyOf={(position) => position.instrument_name}
        empty="No open position."
        attributes={(position) => ({ "data-instrument": position.instrument_name })}
      />
      {toClose && <CloseDialog position={toClose} onClose={() => (closing.value = null)} />}
      {toProtect && <ProtectDialog position={toProtect} onClose={() => (protecting.value = null)} />}
    </>
  );
}

const price = (position: Position, value: number | null) => shown(value, decimalsIn(position.instrument_name).price);

const COLUMNS: Column<Position>[] = [
  {
    head: "Contract",
    cell: (one) => (
      <button type="button" class="plain" onClick={() => chooseInstrument(one.instrument_name)}>
        {one.instrument_name}{" "}
        <small class="dim" title={`leverage, ${one.margin_mode} margin`}>
          {one.leverage}× {one.margin_mode}
        </small>
      </button>
    ),
  },
  { head: "Size", isNumber: true, cell: (one) => <Size position={one} /> },
  { head: "Entry", isNumber: true, cell: (one) => price(one, one.average_price) },
  { head: "Mark", isNumber: true, cell: (one) => price(one, one.mark_price) },
  {
    head: "Liq. price",
    isNumber: true,
    hint: "estimated liquidation price",
    cell: (one) => <span class="warn">{price(one, one.estimated_liquidation_price)}</span>,
  },
  {
    head: "Profit (ROE)",
    isNumber: true,
    hint: "unrealised profit, and in per cent of the initial margin",
    cell: (one) => <Profit position={one} />,
  },
  {
    head: "Realised / funding",
    isNumber: true,
    hint: "realised profit; funding received less funding paid",
    cell: (one) => (
      <span>
        <span class={tone(one.realized_profit_loss)}>{signed(one.realized_profit_loss, 2)}</span>
        <span class="dim"> / </span>
        <span class={tone(one.realized_funding)}>{signed(one.realized_funding, 2)}</span>
      </span>
    ),
  },
  {
    head: "Margin",
    isNumber: true,
    hint: "initial margin; maintenance margin",
    cell: (one) => (
      <span title={`${one.margin_mode}; maintenance margin ${shown(one.maintenance_margin, 2)}`}>
        {shown(one.initial_margin, 2)}
      </span>
    ),
  },
  {
    head: "ADL",
    hint: "place in the queue of automatic deleveraging: five lights are the first",
    cell: (one) => <Lights lit={one.adl_lights} />,
  },
  { head: "", cell: (one) => <Actions position={one} /> },
];

function Size({ position }: { position: Position }) {
  const isLong = position.size > 0;
  return (
    <span class={isLong ? "up" : "down"}>
      {isLong ? "▲ long " : "▼ short "}
      {shown(Math.abs(position.size), decimalsIn(position.instrument_name).amount)}
    </span>
  );
}

function Profit({ position }: { position: Position }) {
  const { floating_profit_loss: profit, roe } = position;
  return (
    <span class={tone(profit)} data-field="profit">
      {signed(profit, 2)} {position.settlement_currency}
      {roe !== undefined && roe !== null && <small> ({signed(roe, 2)} %)</small>}
    </span>
  );
}

const LIGHTS = 5;

function Lights({ lit }: { lit: number }) {
  return (
    <span class={`lights ${lit >= 4 ? "hot" : ""}`} role="img" aria-label={`${lit} of ${LIGHTS} lights`}>
      {Array.from({ length: LIGHTS }, (_, index) => (
        <i key={index} class={index < lit ? "lit" : ""} />
      ))}
    </span>
  );
}

function Actions({ position }: { position: Position }) {
  return (
    <span class="row-actions">
      <button type="button" class="button small" onClick={() => (closing.value = position)}>
        Close
      </button>
      <button type="button" class="button small" {...onPress(() => void reverse(position))}>
        Reverse
      </button>
      <button type="button" class="button small" onClick={() => (protecting.value = position)}>
        Protect
      </button>
    </span>
  );
}

/** Turn a position round with one market order of twice its size, after asking. */
async function reverse(position: Position): Promise<void> {
  const direction = position.size > 0 ? "sell" : "buy";
  const { amount: decimals } = decimalsIn(position.instrument_name);
  const amount = decimalText(Number((Math.abs(position.size) * 2).toFixed(decimals)));
  const words = [
    `${direction === "buy" ? "Buy" : "Sell"} ${amount} ${position.instrument_name} at market:`,
    `the position becomes ${direction === "buy" ? "" : MINUS}${shown(Math.abs(position.size), decimals)}`,
  ].join(" ");
  if (
    !(await ask({
      title: "Reverse position",
      lines: [words],
      action: `Reverse to ${plain(direction === "buy" ? "long" : "short")}`,
      direction,
    }))
  )
    return;
  await place(direction, { instrument_name: position.instrument_name, amount, type: "market" }, words);
}
