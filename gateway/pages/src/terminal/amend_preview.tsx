import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { decimalsOf, money, shown } from "../shared/numbers";
import { LatestOnly } from "../shared/latest_only";
import type { Params } from "../shared/venue";
import type { Instrument, Order } from "../shared/venue_types";
import { previewOfEdit, type EditPreview } from "./preview";
import { instruments } from "./state";

const PAUSE_MS = 200;

interface Props {
  order: Order;
  /** What is to change; null while what is written is no price or amount. */
  changes: Params | null;
}

/** What an order's change would do, as the venue says it while a line is dragged or a field is written in. */
export function AmendPreview({ order, changes }: Props) {
  const preview = useSignal<EditPreview | null>(null);
  const asking = useRef<LatestOnly<Params>>(null);
  asking.current ??= new LatestOnly(PAUSE_MS, async (asked, isLatest) => {
    const found = await previewOfEdit(order.order_id, asked);
    if (isLatest()) preview.value = found;
  });
  const text = JSON.stringify(changes);
  useEffect(() => {
    if (changes !== null) asking.current!.ask(changes);
    else asking.current!.forget();
    if (changes === null) preview.value = null;
  }, [text, order.filled_amount, order.amount]);
  useEffect(() => () => asking.current!.forget(), []);
  const of = instruments.value.find((one) => one.instrument_name === order.instrument_name);
  if (preview.value === null || of === undefined) return null;
  return <AmendFigures preview={preview.value} of={of} />;
}

/** The figures of an amendment's preview, short enough to stand beside what is amended. */
export function AmendFigures({ preview, of }: { preview: EditPreview; of: Instrument }) {
  const { refusal } = preview;
  if (refusal !== null) {
    const { message, remedy } = refusal;
    return (
      <p class="amend-preview warn" role="note" aria-label="preview of the amendment">
        Would be refused: {message} {message.includes(remedy) ? "" : remedy}
      </p>
    );
  }
  return (
    <div class="amend-preview" role="note" aria-label="preview of the amendment">
      <dl>
        {amendRows(preview, of).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <p class="dim">{placeOf(preview)}</p>
    </div>
  );
}

/** The figures that matter to who moves an order, by name. */
export function amendRows(preview: EditPreview, of: Instrument): [name: string, value: string][] {
  const prices = decimalsOf(of.tick_size);
  const amounts = decimalsOf(of.amount_step);
  const rows: [string, string][] = [];
  if (preview.filled_amount > 0) {
    rows.push(["Fills now", `${shown(preview.filled_amount, amounts)} at ${shown(preview.average_price, prices)}`]);
    rows.push(["Fee now", money(preview.taker_fee)]);
  }
  rows.push(preview.cost < 0 ? ["Frees", shown(-preview.cost, 2)] : ["Cost", shown(preview.cost, 2)]);
  rows.push(["Free after", shown(preview.after.available_funds, 2)]);
  rows.push(["Margin after", shown(preview.after.initial_margin, 2)]);
  rows.push(["Liquidation after", shown(preview.position_after.estimated_liquidation_price, prices)]);
  return rows;
}

/** What becomes of the order, in words. */
export function placeOf(preview: EditPreview): string {
  if (preview.made_reduce_only) return "The venue makes it reduce-only.";
  if (preview.order_state === "untriggered") return "Waits for its trigger and binds no margin until then.";
  if (preview.order_state === "cancelled") return "The rest is cancelled.";
  if (preview.order_state === "filled") return "Fills completely.";
  return preview.keeps_priority ? "Keeps its place in the queue." : "Goes to the end of the queue at its price.";
}
