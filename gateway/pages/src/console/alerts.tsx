import { useSignal } from "@preact/signals";
import { Dialog } from "../shared/dialog";
import { shown } from "../shared/numbers";
import { Time } from "../shared/time";
import type { Venue } from "../shared/venue";
import { AlertChart } from "./alert_chart";
import { useAsked } from "./asked";
import { askFor } from "./change_dialog";
import type { Alert, AlertEvidence } from "./console_types";
import { changed, isCompliance } from "./state";
import { Table } from "./table";
import { words } from "./words";

const STATES = ["open", "reviewed", "dismissed", "escalated", "all"];

/** What surveillance has noticed: questions to a person, each with its orders drawn on the price. */
export function Alerts({ venue }: { venue: Venue }) {
  const state = useSignal("open");
  const open = useSignal(0);
  const asked = useAsked<Alert[]>(venue, "venue/admin/list_alerts", { state: state.value, count: 200 }, 10_000);
  return (
    <>
      <div class="part-head">
        <label class="field narrow">
          <span>Show</span>
          <select class="input" value={state.value} onChange={(event) => (state.value = event.currentTarget.value)}>
            {STATES.map((name) => <option value={name}>{name}</option>)}
          </select>
        </label>
        {isCompliance.value && <button type="button" class="button" onClick={() => askFor("set_surveillance_threshold")}>Change a threshold…</button>}
      </div>
      <Table name="Alerts" rows={asked.data.value} error={asked.error.value} empty="There is none." keyOf={({ number }) => number}
        columns={[
          { title: "Number", isNumber: true, of: ({ number }) => number },
          { title: "Time", of: ({ timestamp }) => <Time ms={timestamp} withDate />, file: ({ timestamp }) => new Date(timestamp).toISOString() },
          { title: "Rule", of: ({ rule }) => words(rule) },
          { title: "Contract", of: (row) => row.instrument_name ?? "–" },
          { title: "Accounts", of: ({ accounts }) => accounts.join(", ") },
          { title: "What", of: ({ text }) => <span class="wraps">{text}</span>, file: ({ text }) => text },
          { title: "State", of: ({ state: own, reviewer }) => reviewer === null ? own : `${own} by ${reviewer}` },
          { title: "", of: ({ number }) => <button type="button" class="button small" aria-label={`Look at alert ${number}`} onClick={() => (open.value = number)}>Look…</button> },
        ]} />
      {open.value > 0 && <OneAlert key={open.value} venue={venue} number={open.value} onClose={() => (open.value = 0)} />}
    </>
  );
}

function OneAlert({ venue, number, onClose }: { venue: Venue; number: number; onClose(): void }) {
  const asked = useAsked<AlertEvidence>(venue, "venue/admin/get_alert", { number });
  const alert = asked.data.value;
  return (
    <Dialog title={`Alert ${number}`} onClose={onClose}>
      {asked.error.value !== "" && <p class="banner" role="alert">{asked.error}</p>}
      {alert !== null && (
        <>
          <p><b>{words(alert.rule)}</b>, {alert.accounts.join(", ")}, <Time ms={alert.timestamp} withDate />: {alert.text}</p>
          {alert.instrument_name !== null && alert.orders.length > 0 && (
            <>
              <AlertChart venue={venue} alert={alert} />
              <p class="dim">A line is an order while it was shown, thicker the larger it was; ✕ where it was withdrawn, ● where it was filled.</p>
            </>
          )}
          <dl class="figures">
            {Object.entries(alert.figures).map(([name, value]) => <div><dt>{words(name)}</dt><dd>{value}</dd></div>)}
            <div><dt>sequences</dt><dd>{alert.first_sequence} to {alert.last_sequence}</dd></div>
          </dl>
          <Table name={`Orders of alert ${number}`} rows={alert.orders} empty="No order is known any more." keyOf={({ order_id }) => order_id}
            columns={[
              { title: "Order", of: ({ order_id }) => order_id },
              { title: "Account", of: ({ account }) => account },
              { title: "Side", of: ({ direction }) => <span class={direction === "buy" ? "up" : "down"}>{direction}</span>, file: ({ direction }) => direction },
              { title: "Price", isNumber: true, of: ({ price }) => (typeof price === "number" ? shown(price, 2) : words(price)), file: ({ price }) => price },
              { title: "Amount", isNumber: true, of: ({ amount }) => shown(amount, 4), file: ({ amount }) => amount },
              { title: "Filled", isNumber: true, of: (row) => shown(row.filled_amount, 4), file: (row) => row.filled_amount },
              { title: "Shown", of: (row) => <Time ms={row.creation_timestamp} />, file: (row) => new Date(row.creation_timestamp).toISOString() },
              { title: "Until", of: (row) => <Time ms={row.last_update_timestamp} />, file: (row) => new Date(row.last_update_timestamp).toISOString() },
              { title: "End", of: (row) => words(row.cancel_reason ?? row.order_state) },
            ]} />
          {alert.reviews.map((review) => (
            <p key={review.timestamp}><Time ms={review.timestamp} withDate /> {review.reviewer}: <b>{review.state}</b>, {review.note}</p>
          ))}
          {isCompliance.value && <Review venue={venue} number={number} onClose={onClose} />}
        </>
      )}
    </Dialog>
  );
}

function Review({ venue, number, onClose }: { venue: Venue; number: number; onClose(): void }) {
  const state = useSignal("");
  const note = useSignal("");
  const fault = useSignal("");
  const isBusy = useSignal(false);
  const review = async (event: Event) => {
    event.preventDefault();
    if (isBusy.value) return;
    isBusy.value = true;
    try {
      await venue.call("venue/admin/review_alert", { number, state: state.value, note: note.value });
      changed.value += 1;
      onClose();
    } catch (error) {
      fault.value = (error as Error).message;
      isBusy.value = false;
    }
  };
  return (
    <form class="form" onSubmit={review} aria-label="review">
      <label class="field">
        <span>What became of it</span>
        <select class="input" required value={state.value} onChange={(event) => (state.value = event.currentTarget.value)}>
          <option value="">choose…</option>
          {STATES.slice(1, 4).map((name) => <option value={name}>{name}</option>)}
        </select>
      </label>
      <label class="field">
        <span>Why</span>
        <textarea class="input" required rows={2} maxLength={500} value={note.value} onInput={(event) => (note.value = event.currentTarget.value)} />
      </label>
      {fault.value !== "" && <p class="banner" role="alert">{fault}</p>}
      <div class="dialog-actions"><button type="submit" class="button primary" disabled={isBusy.value}>Review</button></div>
    </form>
  );
}
