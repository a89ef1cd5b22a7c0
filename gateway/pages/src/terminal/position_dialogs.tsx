import { useSignal, type Signal } from "@preact/signals";
import { Dialog } from "../shared/dialog";
import { decimalText, isOnStep, onStep, shown, toUnits, written } from "../shared/numbers";
import { onPress } from "../shared/presses";
import type { Instrument, Position } from "../shared/venue_types";
import { closePosition, isPlacing, place } from "./actions";
import { decimalsIn, instruments } from "./state";
import { amountOfPercent } from "./ticket_order";

interface Props {
  position: Position;
  onClose(): void;
}

const listed = (name: string): Instrument => instruments.peek().find((one) => one.instrument_name === name)!;

function checkedPrice(text: string, of: Instrument): { price: string } | { problem: string } {
  const price = written(text);
  if (price === null || price === "0") return { problem: "Enter a price above zero." };
  if (isOnStep(price, of.tick_size)) return { price };
  return {
    problem: `A price must be a multiple of ${decimalText(of.tick_size)}; the nearest is ${onStep(price, of.tick_size)}.`,
  };
}

function Input({ label, value, hint }: { label: string; value: Signal<string>; hint?: string }) {
  return (
    <label class="field">
      <span>{label}</span>
      <input
        inputMode="decimal"
        value={value.value}
        placeholder={hint}
        onInput={(event) => (value.value = event.currentTarget.value)}
      />
    </label>
  );
}

/** Close a position, all of it or a part, at market or with a limit. */
export function CloseDialog({ position, onClose }: Props) {
  const of = listed(position.instrument_name);
  const size = decimalText(Math.abs(position.size));
  const amount = useSignal(size);
  const type = useSignal<"market" | "limit">("market");
  const price = useSignal(
    decimalText(position.mark_price ? Number(onStep(decimalText(position.mark_price), of.tick_size)) : of.tick_size),
  );
  const problem = useSignal("");
  const direction = position.size > 0 ? "sell" : "buy";
  const send = async () => {
    const entered = written(amount.peek());
    const limit = type.peek() === "limit" ? checkedPrice(price.peek(), of) : null;
    if (limit !== null && "problem" in limit) return void (problem.value = limit.problem);
    if (entered === null || !isOnStep(entered, of.amount_step))
      return void (problem.value = `The amount must be a multiple of ${decimalText(of.amount_step)}.`);
    problem.value = "";
    const at = limit?.price;
    const isWhole = toUnits(entered, 12) >= toUnits(size, 12);
    const params = {
      instrument_name: of.instrument_name,
      amount: entered,
      type: type.peek(),
      reduce_only: true,
      ...(at === undefined ? {} : { price: at }),
    };
    const isDone = isWhole
      ? await closePosition(position, type.peek(), at)
      : await place(direction, params, `Reduce ${of.instrument_name} by ${entered}`);
    if (isDone) onClose();
  };
  return (
    <Dialog title={`Close ${of.instrument_name}`} onClose={onClose}>
      <p>
        {position.size > 0 ? "Long" : "Short"} {shown(Math.abs(position.size), decimalsIn(of.instrument_name).amount)}{" "}
        {of.base_currency}, mark {shown(position.mark_price, decimalsIn(of.instrument_name).price)}
      </p>
      <Input label={`Amount (${of.base_currency})`} value={amount} />
      <div class="choices" role="group" aria-label="part of the position">
        {[25, 50, 75, 100].map((percent) => (
          <button
            key={percent}
            type="button"
            class="button small"
            onClick={() =>
              (amount.value = percent === 100 ? size : amountOfPercent(Math.abs(position.size), percent, of))
            }
          >
            {percent} %
          </button>
        ))}
      </div>
      <label class="field">
        <span>Type</span>
        <select value={type.value} onChange={(event) => (type.value = event.currentTarget.value as "market" | "limit")}>
          <option value="market">Market</option>
          <option value="limit">Limit</option>
        </select>
      </label>
      {type.value === "limit" && <Input label="Price" value={price} />}
      {problem.value !== "" && (
        <p class="problem" role="alert">
          {problem.value}
        </p>
      )}
      <div class="dialog-actions">
        <button type="button" class="button" onClick={onClose}>
          Go back
        </button>
        <button
          type="button"
          class={`button ${direction === "buy" ? "up-button" : "down-button"}`}
          disabled={isPlacing.value}
          {...onPress(() => void send())}
        >
          {direction === "buy" ? "Buy to close" : "Sell to close"}
        </button>
      </div>
    </Dialog>
  );
}

/** Put a stop and a take under a position: reduce-only orders that the mark triggers. */
export function ProtectDialog({ position, onClose }: Props) {
  const of = listed(position.instrument_name);
  const stop = useSignal("");
  const take = useSignal("");
  const problem = useSignal("");
  const isLong = position.size > 0;
  const direction = isLong ? "sell" : "buy";
  const amount = decimalText(Math.abs(position.size));
  const send = async () => {
    const wanted = (
      [
        ["stop_market", stop.peek()],
        ["take_market", take.peek()],
      ] as const
    ).filter(([, text]) => text.trim() !== "");
    if (wanted.length === 0) return void (problem.value = "Enter a stop, a take, or both.");
    const orders = [];
    for (const [type, text] of wanted) {
      const checked = checkedPrice(text, of);
      if ("problem" in checked) return void (problem.value = checked.problem);
      const isBelow = Number(checked.price) < position.mark_price;
      if (isBelow !== ((type === "stop_market") === isLong)) return void (problem.value = wrongSide(type, isLong));
      orders.push({ type, price: checked.price });
    }
    problem.value = "";
    for (const { type, price } of orders) {
      const words = `${type === "stop_market" ? "Stop" : "Take"} at ${price} for ${of.instrument_name}`;
      const params = {
        instrument_name: of.instrument_name,
        amount,
        type,
        trigger_price: price,
        trigger: "mark_price",
        reduce_only: true,
      };
      if (!(await place(direction, params, words))) return;
      (type === "stop_market" ? stop : take).value = ""; // placed: not again when the other one is refused
    }
    onClose();
  };
  return (
    <Dialog title={`Protect ${of.instrument_name}`} onClose={onClose}>
      <p>
        {isLong ? "Long" : "Short"} {shown(Math.abs(position.size), decimalsIn(of.instrument_name).amount)}{" "}
        {of.base_currency}, mark {shown(position.mark_price, decimalsIn(of.instrument_name).price)}, estimated
        liquidation {shown(position.estimated_liquidation_price, decimalsIn(of.instrument_name).price)}
      </p>
      <Input
        label="Stop: close at market when the mark reaches"
        value={stop}
        hint={isLong ? "below the mark" : "above the mark"}
      />
      <Input
        label="Take: close at market when the mark reaches"
        value={take}
        hint={isLong ? "above the mark" : "below the mark"}
      />
      <p class="dim">Both are reduce-only: when one has closed the position, the other can open nothing.</p>
      {problem.value !== "" && (
        <p class="problem" role="alert">
          {problem.value}
        </p>
      )}
      <div class="dialog-actions">
        <button type="button" class="button" onClick={onClose}>
          Go back
        </button>
        <button type="button" class="button primary" disabled={isPlacing.value} {...onPress(() => void send())}>
          Place
        </button>
      </div>
    </Dialog>
  );
}

function wrongSide(type: string, isLong: boolean): string {
  const side = (type === "stop_market") === isLong ? "below" : "above";
  return `A ${type === "stop_market" ? "stop" : "take"} of a ${isLong ? "long" : "short"} position is ${side} the mark; there it would close at once.`;
}
