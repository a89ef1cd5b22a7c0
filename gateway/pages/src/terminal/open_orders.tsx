import { signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { decimalText, isOnStep, onStep, shown, written } from "../shared/numbers";
import { onPress } from "../shared/presses";
import { DataTable, Nothing, type Column } from "../shared/table";
import { Time } from "../shared/time";
import type { Order } from "../shared/venue_types";
import { amend, cancel, cancelAll } from "./actions";
import { AmendPreview } from "./amend_preview";
import { chooseInstrument } from "./market_feed";
import { sayRefusal } from "./messages";
import { decimalsIn, instrumentName, instruments, orders } from "./state";
import { Side } from "./trades_panel";
import { title } from "./words";

type Field = "price" | "trigger_price" | "amount";
const editing = signal<{ orderId: string; field: Field } | null>(null);
const thisContractOnly = signal(false);

/** Open and untriggered orders: each price and amount is amended where it stands. */
export function OpenOrders() {
  const rows = thisContractOnly.value
    ? orders.value.filter((order) => order.instrument_name === instrumentName.value)
    : orders.value;
  return (
    <>
      {orders.value.length > 0 && (
        <div class="table-tools">
          <label class="check">
            <input
              type="checkbox"
              checked={thisContractOnly.value}
              onChange={(event) => (thisContractOnly.value = event.currentTarget.checked)}
            />{" "}
            This contract only
          </label>
          <button
            type="button"
            class="button small"
            {...onPress(() => void cancelAll(thisContractOnly.value ? instrumentName.value : undefined))}
          >
            Cancel all{thisContractOnly.value ? " of this contract" : ""}
          </button>
        </div>
      )}
      <DataTable
        label="open orders"
        columns={COLUMNS}
        rows={rows}
        keyOf={(order) => order.order_id}
        empty="No open order."
        attributes={(order) => ({ "data-order-id": order.order_id })}
      />
    </>
  );
}

const COLUMNS: Column<Order>[] = [
  { head: "Time", cell: (order) => <Time ms={order.creation_timestamp} /> },
  {
    head: "Contract",
    cell: (order) => (
      <button type="button" class="plain" onClick={() => chooseInstrument(order.instrument_name)}>
        {order.instrument_name}
      </button>
    ),
  },
  {
    head: "Side",
    cell: (order) => <Side direction={order.direction} text={order.direction === "buy" ? "Buy" : "Sell"} />,
  },
  { head: "Type", cell: (order) => title(order.order_type) },
  {
    head: "Price",
    isNumber: true,
    cell: (order) =>
      typeof order.price === "number" ? <Editable order={order} field="price" value={order.price} /> : "market",
  },
  { head: "Trigger", isNumber: true, cell: (order) => <Trigger order={order} /> },
  { head: "Amount", isNumber: true, cell: (order) => <Editable order={order} field="amount" value={order.amount} /> },
  {
    head: "Filled",
    isNumber: true,
    cell: (order) => shown(order.filled_amount, decimalsIn(order.instrument_name).amount),
  },
  { head: "Flags", cell: (order) => flagsOf(order).length > 0 ? <span class="dim">{flagsOf(order).join(", ")}</span> : <Nothing /> },
  { head: "Label", cell: (order) => order.label || <Nothing /> },
  {
    head: "",
    cell: (order) => (
      <button
        type="button"
        class="button small"
        aria-label={`cancel order ${order.order_id}`}
        {...onPress(() => void cancel(order))}
      >
        Cancel
      </button>
    ),
  },
];

/** What an order has beyond its type, in words. */
export function flagsOf(order: Order): string[] {
  const flags = [];
  if (order.post_only) flags.push("post-only");
  if (order.reduce_only) flags.push("reduce-only");
  if (order.display_amount) flags.push(`iceberg ${order.display_amount}`);
  if (order.time_in_force === "immediate_or_cancel") flags.push("IOC");
  if (order.time_in_force === "fill_or_kill") flags.push("FOK");
  if (order.expires_at) flags.push(`until ${new Date(order.expires_at).toLocaleString()}`);
  return flags;
}

function Trigger({ order }: { order: Order }) {
  if (order.trigger_price === undefined) return <Nothing />;
  const by = order.trigger?.replace("_price", "") ?? "";
  if (order.trigger_offset !== undefined)
    return (
      <span title={`trails the ${by} by ${order.trigger_offset}`}>
        {shown(order.trigger_price, decimalsIn(order.instrument_name).price)} <span class="dim">trails</span>
      </span>
    );
  return (
    <span>
      <Editable order={order} field="trigger_price" value={order.trigger_price} /> <span class="dim">{by}</span>
    </span>
  );
}

function Editable({ order, field, value }: { order: Order; field: Field; value: number }) {
  const isOpen = editing.value?.orderId === order.order_id && editing.value.field === field;
  const decimals = decimalsIn(order.instrument_name)[field === "amount" ? "amount" : "price"];
  if (isOpen) return <Editor order={order} field={field} value={value} />;
  return (
    <button
      type="button"
      class="plain editable"
      title="amend"
      aria-label={`${field.replace("_", " ")} ${shown(value, decimals)}, amend`}
      onClick={() => (editing.value = { orderId: order.order_id, field })}
    >
      {shown(value, decimals)}{" "}
      <span aria-hidden="true" class="dim">
        ✎
      </span>
    </button>
  );
}

/** Amends with Enter or the button, goes back with Escape. */
function Editor({ order, field, value }: { order: Order; field: Field; value: number }) {
  const text = useSignal(decimalText(value));
  const isBusy = useSignal(false);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.select(), []);
  const end = () => (editing.value = null);
  const send = async () => {
    const { entered, fault } = checked(text.peek(), order, field);
    if (fault !== "") sayRefusal(new Error(fault));
    if (entered === null || isBusy.peek()) return;
    if (Number(entered) === value) return void end();
    isBusy.value = true;
    try {
      await amend(order, { [field]: entered });
      end();
    } catch (error) {
      sayRefusal(error);
    } finally {
      isBusy.value = false;
    }
  };
  const { entered } = checked(text.value, order, field);
  const changes = entered === null || Number(entered) === value ? null : { [field]: entered };
  return (
    <form
      class="editor"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <input
        ref={input}
        class="input"
        inputMode="decimal"
        aria-label={`new ${field.replace("_", " ")}`}
        value={text.value}
        onInput={(event) => (text.value = event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Escape" && end()}
      />
      <button class="button small" disabled={isBusy.value} aria-label="amend">
        ✓
      </button>
      <button type="button" class="button small" aria-label="go back" onClick={end}>
        ✕
      </button>
      <AmendPreview order={order} changes={changes} />
    </form>
  );
}

/** What is written as the exact decimal that is sent, or what is wrong with it. */
function checked(text: string, order: Order, field: Field): { entered: string | null; fault: string } {
  const of = instruments.value.find((one) => one.instrument_name === order.instrument_name);
  const entered = written(text);
  const step = field === "amount" ? of?.amount_step : of?.tick_size;
  const name = field.replace("_", " ");
  if (entered === null || entered === "0" || step === undefined)
    return { entered: null, fault: `Enter the new ${name} as a number above zero.` };
  if (!isOnStep(entered, step)) {
    const nearest = onStep(entered, step);
    return { entered: null, fault: `The ${name} must be a multiple of ${decimalText(step)}; the nearest is ${nearest}.` };
  }
  return { entered, fault: "" };
}
