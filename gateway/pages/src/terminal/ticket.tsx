import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { decimalsOf, decimalText, shown } from "../shared/numbers";
import { onPress } from "../shared/presses";
import { Tabs } from "../shared/tabs";
import type { Direction, Instrument } from "../shared/venue_types";
import { isPlacing } from "./actions";
import { LeverageButton } from "./leverage";
import { hasPreview } from "./preview";
import { PreviewFigures } from "./preview_figures";
import { asksFirst } from "./settings";
import { isSigningIn } from "./sign_in";
import { instrument, isLoggedIn, portfolio, ticker, venue } from "./state";
import { hasPrice, hasTriggerPrice, isConditional, isTrailing, type OrderType, type TicketForm } from "./ticket_order";
import { fill, form, largest, orderFor, otherUnit, press, previews, problems } from "./ticket_state";
import { title } from "./words";

type Kind = "limit" | "market" | "conditional";

/** The order ticket: no side is chosen beforehand, and only its two buttons send something. */
export function Ticket() {
  const of = instrument.value;
  if (of === null) return null;
  const { type } = form.value;
  const kind: Kind = type === "limit" || type === "market" ? type : "conditional";
  const choose = (chosen: Kind) => fill({ type: chosen === "conditional" ? "stop_market" : chosen });
  const tabs = [
    { name: "limit", title: "Limit" },
    { name: "market", title: "Market" },
    { name: "conditional", title: "Conditional" },
  ] as const;
  return (
    <section class="panel ticket" aria-label="order ticket">
      <Tabs label="order type" tabs={[...tabs]} chosen={kind} onChoose={choose} />
      <form class="ticket-form" autocomplete="off" onSubmit={(event) => event.preventDefault()}>
        {kind === "conditional" && <Condition />}
        {hasPrice(type) && <PriceField of={of} />}
        <AmountField of={of} />
        <Options type={type} of={of} />
        <Free of={of} />
        {isLoggedIn.value ? (
          <SideButtons of={of} />
        ) : (
          <button type="button" class="button primary wide" onClick={() => (isSigningIn.value = true)}>
            Sign in to trade
          </button>
        )}
        {hasPreview.value && <PreviewFigures previews={previews.value} of={of} />}
      </form>
    </section>
  );
}

interface FieldProps {
  field: keyof TicketForm &
    ("amount" | "price" | "triggerPrice" | "triggerOffset" | "displayAmount" | "expiresAt" | "label");
  label: string;
  unit?: string;
  hint?: string;
  type?: "datetime-local";
}

/** A labelled input with what is wrong with it below. */
function Field({ field, label, unit, hint, type }: FieldProps) {
  const problem = problems.value.find((one) => one.field === field);
  const input = useRef<HTMLInputElement>(null);
  const kind = type !== undefined ? { type } : field === "label" ? {} : { inputMode: "decimal" as const };
  useEffect(() => {
    if (problem !== undefined && problems.peek()[0] === problem) input.current?.focus();
  }, [problem]);
  return (
    <div class="ticket-field">
      <label class="field">
        <span>{label}</span>
        <input
          ref={input}
          id={`ticket-${field}`}
          {...kind}
          value={form.value[field]}
          placeholder={hint}
          aria-invalid={problem !== undefined}
          aria-describedby={problem === undefined ? undefined : `problem-${field}`}
          onInput={(event) =>
            fill(
              field === "amount"
                ? { amount: event.currentTarget.value, percent: 0 }
                : { [field]: event.currentTarget.value },
            )
          }
        />
      </label>
      {unit !== undefined && (
        <span class="unit dim" aria-hidden="true">
          {unit}
        </span>
      )}
      {problem !== undefined && (
        <p class="problem" id={`problem-${field}`} role="alert">
          {problem.text}
        </p>
      )}
    </div>
  );
}

function PriceField({ of }: { of: Instrument }) {
  const now = ticker.value;
  const choices: [string, number | null | undefined][] = [
    ["Bid", now?.best_bid_price],
    ["Ask", now?.best_ask_price],
  ];
  return (
    <>
      <Field field="price" label="Price" unit={of.quote_currency} />
      <div class="choices" role="group" aria-label="price from the book">
        {choices.map(([name, price]) => (
          <button
            key={name}
            type="button"
            class="button small"
            disabled={!price}
            onClick={() => price && fill({ price: decimalText(price) })}
          >
            {name} <span class="dim">{shown(price, decimalsOf(of.tick_size))}</span>
          </button>
        ))}
      </div>
    </>
  );
}

const PERCENTS = [10, 25, 50, 75, 100];

function AmountField({ of }: { of: Instrument }) {
  const { unit, percent } = form.value;
  const other = otherUnit(of);
  return (
    <>
      <div class="amount-row">
        <Field field="amount" label="Amount" hint={percent > 0 ? `${percent} % of what is free` : undefined} />
        <label class="field unit-choice">
          <span>Unit</span>
          <select
            value={unit}
            onChange={(event) => fill({ unit: event.currentTarget.value as TicketForm["unit"], amount: "" })}
          >
            <option value="base">{of.base_currency}</option>
            <option value="quote">{of.quote_currency}</option>
          </select>
        </label>
      </div>
      {other !== "" && <p class="dim other-unit">≈ {other}</p>}
      {hasPreview.value && isLoggedIn.value && (
        <div class="choices" role="group" aria-label="per cent of what is free">
          {PERCENTS.map((one) => (
            <button
              key={one}
              type="button"
              class="button small"
              aria-pressed={percent === one}
              onClick={() => fill({ percent: percent === one ? 0 : one, amount: "" })}
            >
              {one} %
            </button>
          ))}
        </div>
      )}
    </>
  );
}

function Condition() {
  const { type, trigger } = form.value;
  const types: OrderType[] = ["stop_market", "stop_limit", "take_market", "take_limit", "trailing_stop"];
  return (
    <>
      <div class="pair">
        <label class="field">
          <span>Condition</span>
          <select value={type} onChange={(event) => fill({ type: event.currentTarget.value as OrderType })}>
            {types.map((one) => (
              <option key={one} value={one}>
                {title(one)}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          <span>Triggered by</span>
          <select
            value={trigger}
            onChange={(event) => fill({ trigger: event.currentTarget.value as TicketForm["trigger"] })}
          >
            <option value="mark_price">Mark price</option>
            <option value="index_price">Index price</option>
            <option value="last_price">Last price</option>
          </select>
        </label>
      </div>
      {hasTriggerPrice(type) && (
        <Field field="triggerPrice" label="Trigger price" unit={instrument.value?.quote_currency} />
      )}
      {isTrailing(type) && (
        <Field field="triggerOffset" label="Trailing distance" unit={instrument.value?.quote_currency} />
      )}
    </>
  );
}

function Check({
  field,
  label,
  hint,
}: {
  field: "postOnly" | "rejectPostOnly" | "reduceOnly";
  label: string;
  hint: string;
}) {
  return (
    <label class="check" title={hint}>
      <input
        type="checkbox"
        checked={form.value[field]}
        onChange={(event) => fill({ [field]: event.currentTarget.checked })}
      />
      {label}
    </label>
  );
}

function Options({ type, of }: { type: OrderType; of: Instrument }) {
  const { timeInForce, postOnly, stp } = form.value;
  const more = useSignal(false);
  const isProblemHidden = problems.value.some(({ field }) => field === "expiresAt" || field === "displayAmount");
  useEffect(() => {
    if (isProblemHidden) more.value = true;
  }, [isProblemHidden]);
  return (
    <>
      <div class="checks">
        {hasPrice(type) && (
          <Check
            field="postOnly"
            label="Post-only"
            hint="It never takes: where it would trade at once its price is moved"
          />
        )}
        {hasPrice(type) && postOnly && (
          <Check
            field="rejectPostOnly"
            label="or refuse"
            hint="Refuse it where it would trade at once, instead of moving its price"
          />
        )}
        <Check field="reduceOnly" label="Reduce-only" hint="It only makes a position smaller" />
      </div>
      <button type="button" class="plain dim" aria-expanded={more.value} onClick={() => (more.value = !more.value)}>
        {more.value ? "▾" : "▸"} More options
      </button>
      {more.value && (
        <div class="more">
          {(hasPrice(type) || isConditional(type)) && (
            <label class="field">
              <span>Time in force</span>
              <select
                value={timeInForce}
                onChange={(event) => fill({ timeInForce: event.currentTarget.value as TicketForm["timeInForce"] })}
              >
                <option value="good_til_cancelled">Good till cancelled (GTC)</option>
                <option value="good_til_day">Good till 00:00 UTC</option>
                <option value="good_til_time">Good till a time (GTD)</option>
                <option value="immediate_or_cancel">Immediate or cancel (IOC)</option>
                <option value="fill_or_kill">Fill or kill (FOK)</option>
              </select>
            </label>
          )}
          {type !== "market" && timeInForce === "good_til_time" && (
            <Field field="expiresAt" label="Ends at (your time)" type="datetime-local" />
          )}
          {hasPrice(type) && (
            <Field field="displayAmount" label="Shown amount (iceberg)" unit={of.base_currency} hint="all of it" />
          )}
          <label class="field">
            <span>Against own orders</span>
            <select value={stp} onChange={(event) => fill({ stp: event.currentTarget.value as TicketForm["stp"] })}>
              <option value="cancel_maker">Cancel the resting one</option>
              <option value="cancel_taker">Cancel the new one</option>
              <option value="cancel_both">Cancel both</option>
              <option value="decrement">Take the smaller off both</option>
            </select>
          </label>
          <Field field="label" label="Label" hint="for your records" />
        </div>
      )}
      <label class="check">
        <input
          type="checkbox"
          checked={asksFirst.value}
          onChange={(event) => (asksFirst.value = event.currentTarget.checked)}
        />
        Ask before each order
      </label>
    </>
  );
}

function Free({ of }: { of: Instrument }) {
  if (!isLoggedIn.value) return null;
  return (
    <div class="free">
      <span>
        <span class="dim">Free</span> {shown(portfolio.value?.available_funds, 2)} {of.settlement_currency}
      </span>
      <LeverageButton of={of} />
    </div>
  );
}

function SideButtons({ of }: { of: Instrument }) {
  const button = (direction: Direction) => {
    const amount =
      form.value.percent > 0 && largest.value[direction] !== null ? orderFor(direction, of).params.amount : undefined;
    return (
      <button
        type="button"
        class={`button ${direction === "buy" ? "up-button" : "down-button"}`}
        disabled={isPlacing.value || venue.connection.value !== "live"}
        {...onPress(() => void press(direction))}
      >
        {direction === "buy" ? "Buy" : "Sell"}
        {amount !== undefined && (
          <small>
            {" "}
            {String(amount)} {of.base_currency}
          </small>
        )}
      </button>
    );
  };
  return (
    <div class="sides">
      {button("buy")}
      {button("sell")}
    </div>
  );
}
