import { decimalsOf, money, shown } from "../shared/numbers";
import type { Direction, Instrument } from "../shared/venue_types";
import type { Preview } from "./preview";

interface Props {
  previews: Partial<Record<Direction, Preview | null>>;
  of: Instrument;
}

interface Row {
  head: string;
  say(preview: Preview, prices: number, amounts: number): string;
  hint?: string;
  /** Shown also where there is nothing to say. */
  isAlways?: boolean;
}

const NOTHING = "–";
const SMALL_FEE = 0.1;
/** A fee in cents, one that is next to nothing in whole: what is booked is in the log of transactions. */
const fee = (amount: number) => (Math.abs(amount) < SMALL_FEE ? money(amount) : shown(amount, 2));
/** What decides comes first: below it the panel may have to be scrolled. */
const ROWS: Row[] = [
  { head: "Cost", say: (one) => shown(one.cost, 2), hint: "what it takes of the free funds; below zero: what it sets free", isAlways: true },
  {
    head: "Liquidation after",
    say: (one, prices) => shown(one.position_after.estimated_liquidation_price, prices),
    hint: "estimated liquidation price",
    isAlways: true,
  },
  { head: "Fills now", say: (one, _, amounts) => shown(one.filled_amount, amounts) },
  { head: "Average price", say: (one, prices) => shown(one.average_price, prices) },
  { head: "Worst price", say: (one, prices) => shown(one.worst_price, prices) },
  {
    head: "Slippage",
    say: (one) => (one.slippage_best === null ? NOTHING : `${shown(one.slippage_best, 3)} %`),
    hint: "against the best price",
  },
  { head: "Fee now", say: (one) => fee(one.taker_fee) },
  { head: "Rests", say: (one, _, amounts) => shown(one.resting_amount, amounts) },
  { head: "Fee of the rest", say: (one) => fee(one.maker_fee), hint: "when it fills; below zero is a rebate" },
  { head: "Position after", say: (one, _, amounts) => shown(one.position_after.size, amounts) },
  { head: "Margin after", say: (one) => shown(one.after.initial_margin, 2), hint: "initial margin", isAlways: true },
  { head: "Free after", say: (one) => shown(one.after.available_funds, 2), isAlways: true },
];

/** What an order would do, side by side for the sides that are asked about. */
export function PreviewFigures({ previews, of }: Props) {
  const sides = (["buy", "sell"] as const).filter((side) => previews[side]);
  if (sides.length === 0) return null;
  const prices = decimalsOf(of.tick_size);
  const amounts = decimalsOf(of.amount_step);
  const rows = ROWS.map(({ head, say, hint, isAlways = false }) => {
    const texts = sides.map((side) => (previews[side]!.admitted ? say(previews[side]!, prices, amounts) : NOTHING));
    return { head, hint, texts, isShown: isAlways || texts.some((text) => /[1-9]/.test(text)) };
  }).filter((row) => row.isShown);
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
        {rows.map(({ head, hint, texts }) => (
          <tr key={head} title={hint}>
            <th scope="row">{head}</th>
            {texts.map((text, index) => (
              <td key={sides[index]} class="number">
                {text}
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
