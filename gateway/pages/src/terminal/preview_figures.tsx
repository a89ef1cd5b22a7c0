import { decimalsOf, money, shown } from "../shared/numbers";
import type { Direction, Instrument } from "../shared/venue_types";
import type { Preview } from "./preview";

interface Props {
  previews: Partial<Record<Direction, Preview | null>>;
  of: Instrument;
}

/** What an order would do, side by side for the sides that are asked about. */
export function PreviewFigures({ previews, of }: Props) {
  const sides = (["buy", "sell"] as const).filter((side) => previews[side]);
  if (sides.length === 0) return null;
  const prices = decimalsOf(of.tick_size);
  const amounts = decimalsOf(of.amount_step);
  const rows: [string, (preview: Preview) => string, string?][] = [
    ["Fills now", (one) => shown(one.filled_amount, amounts)],
    ["Average price", (one) => shown(one.average_price, prices)],
    ["Worst price", (one) => shown(one.worst_price, prices)],
    [
      "Slippage",
      (one) => (one.slippage_best === null ? "–" : `${shown(one.slippage_best, 3)} %`),
      "against the best price",
    ],
    ["Rests", (one) => shown(one.resting_amount, amounts)],
    ["Fee now", (one) => money(one.taker_fee)],
    ["Fee of the rest", (one) => money(one.maker_fee), "when it fills; below zero is a rebate"],
    ["Cost", (one) => money(one.cost), "what it takes of the free funds"],
    ["Free after", (one) => shown(one.after.available_funds, 2)],
    ["Initial margin after", (one) => shown(one.after.initial_margin, 2)],
    ["Position after", (one) => shown(one.position_after.size, amounts)],
    [
      "Liquidation after",
      (one) => shown(one.position_after.estimated_liquidation_price, prices),
      "estimated liquidation price",
    ],
  ];
  return (
    <table class="figures" aria-label="preview">
      <thead>
        <tr>
          <th scope="col">
            <span class="dim">{of.settlement_currency}</span>
          </th>
          {sides.map((side) => (
            <th key={side} scope="col" class={`number ${side === "buy" ? "up" : "down"}`}>
              {side === "buy" ? "Buy" : "Sell"}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(([head, say, hint]) => (
          <tr key={head} title={hint}>
            <th scope="row">{head}</th>
            {sides.map((side) => (
              <td key={side} class="number">
                {previews[side]!.admitted ? say(previews[side]!) : "–"}
              </td>
            ))}
          </tr>
        ))}
        {sides.map((side) => (
          <Refused key={side} side={side} preview={previews[side]!} columns={sides.length + 1} />
        ))}
      </tbody>
    </table>
  );
}

function Refused({ side, preview, columns }: { side: Direction; preview: Preview; columns: number }) {
  const { message = "", remedy = "" } = preview.refusal ?? {};
  if (preview.admitted && !preview.made_reduce_only) return null;
  const name = side === "buy" ? "Buy" : "Sell";
  return (
    <tr>
      <td colSpan={columns} class="warn wraps">
        {preview.admitted
          ? `${name}: the venue makes it reduce-only.`
          : `${name} would be refused: ${message} ${message.includes(remedy) ? "" : remedy}`}
        {preview.failing_rules.map((rule) => (
          <p key={rule.reason}>
            {rule.meaning} {rule.remedy}
          </p>
        ))}
      </td>
    </tr>
  );
}
