import { useComputed, type ReadonlySignal } from "@preact/signals";
import type { Order } from "../../shared/venue_types";
import { shown } from "../../shared/numbers";
import type { ComponentChildren } from "preact";
import type { DrawnLine, MovableLines } from "./movable_lines";
import { lineText, type MovedField } from "./order_lines";

interface Props {
  lines: MovableLines;
  isShown: ReadonlySignal<boolean>;
  decimals: number;
  previewOf(order: Order, field: MovedField, price: string): ComponentChildren;
  onGrab(event: PointerEvent, id: string): void;
  onCancel(order: Order): void;
}

/**
 * The labels on the lines of own orders. A line is moved by its label, with the pointer or with the arrow keys; Enter amends the
 * order, Escape puts the line back. Their places are set by whoever draws the chart, at each drawing.
 */
export function OrderTags({ lines, isShown, ...more }: Props) {
  const drawn = useComputed(() => (isShown.value ? lines.drawn.value : []));
  return (
    <div class="chart-tags">
      {drawn.value.map((one) => (
        <OrderTag key={one.line.id} drawn={one} lines={lines} {...more} />
      ))}
    </div>
  );
}

function OrderTag({ drawn, lines, decimals, previewOf, onGrab, onCancel }: Omit<Props, "isShown"> & { drawn: DrawnLine }) {
  const { line, price, phase } = drawn;
  const text = lineText(line);
  const isMovable = lines.isMovable(drawn);
  const priceText = shown(price, decimals);
  const moveByKey = (event: KeyboardEvent): void => {
    const ticks = event.shiftKey ? 10 : 1;
    if (event.key === "ArrowUp") lines.moveByTicks(line.id, ticks);
    else if (event.key === "ArrowDown") lines.moveByTicks(line.id, -ticks);
    else if (event.key === "Enter") void lines.send(line.id);
    else if (event.key === "Escape") lines.putBack(line.id);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class={`chart-tag ${line.order.direction} ${phase === "at rest" ? "" : "moved"}`} data-line={line.id}>
      <span
        class="chart-tag-handle"
        role="slider"
        tabIndex={0}
        aria-orientation="vertical"
        aria-disabled={!isMovable}
        aria-label={`${text} order, price`}
        aria-valuenow={price}
        aria-valuetext={phase === "moving" ? `${priceText}, not sent yet: Enter amends the order` : priceText}
        title={isMovable ? "Drag to amend; or arrow keys, then Enter" : "This price cannot be moved"}
        onKeyDown={moveByKey}
        onBlur={() => lines.putBack(line.id)}
        onPointerDown={(event) => onGrab(event, line.id)}
      >
        {text}
        {phase === "at rest" ? "" : ` → ${priceText}`}
        {phase === "sent" ? " …" : ""}
      </span>
      <button
        type="button"
        class="chart-tag-cancel"
        aria-label={`Cancel ${text} at ${shown(line.price, decimals)}`}
        onClick={() => onCancel(line.order)}
      >
        ✕
      </button>
      {phase !== "at rest" && price !== line.price && (
        <div class="chart-tag-preview">{previewOf(line.order, line.field, price.toFixed(decimals))}</div>
      )}
    </div>
  );
}
