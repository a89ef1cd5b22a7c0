import { useSignal } from "@preact/signals";
import { Dialog } from "../shared/dialog";
import { useOnce } from "../shared/once";
import { Time } from "../shared/time";
import type { Venue } from "../shared/venue";
import { AccountLink } from "./account_link";
import { AlertChart } from "./alert_chart";
import { useAsked, usePages } from "./asked";
import { askFor } from "./change_dialog";
import type { Alert, AlertEvidence, AlertOrder } from "./console_types";
import { Fault } from "./fault";
import { orderColumns } from "./order_columns";
import { changed, isCompliance } from "./state";
import { Table } from "./table";
import { words } from "./words";

const STATES = ["open", "reviewed", "dismissed", "escalated", "all"];

/** What surveillance has noticed: questions to a person, each with its orders drawn on the price. */
export function Alerts({ venue }: { venue: Venue }) {
  const state = useSignal("open");
  const open = useSignal(0);
  const asked = usePages<Alert>(venue, "venue/admin/list_alerts", "alerts", { state: state.value, count: 100 }, 10_000);
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
      <Table name="Alerts" rows={asked.data.value} pages={asked.pages} error={asked.error.value} empty="There is none." keyOf={({ number }) => number}
        columns={[
          { head: "Number", isNumber: true, cell: ({ number }) => number },
          { head: "Time", time: ({ timestamp }) => timestamp },
          { head: "Rule", cell: ({ rule }) => words(rule) },
          { head: "Contract", cell: (row) => row.instrument_name ?? "–" },
          { head: "Accounts", cell: ({ accounts }) => <span>{accounts.map((name) => <span> <AccountLink name={name} /></span>)}</span>, file: ({ accounts }) => accounts.join(" ") },
          { head: "What", wide: ({ text }) => text },
          { head: "State", cell: ({ state: own, reviewer }) => reviewer === null ? own : `${own} by ${reviewer}` },
          { head: "", cell: ({ number }) => <button type="button" class="button small" aria-label={`Look at alert ${number}`} onClick={() => (open.value = number)}>Look…</button> },
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
      <Fault text={asked.error.value} />
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
              { head: "Order", cell: ({ order_id }) => order_id },
              { head: "Account", cell: ({ account }) => account },
              ...orderColumns<AlertOrder>(() => alert.instrument_name ?? ""),
              { head: "Shown", time: (row) => row.creation_timestamp },
              { head: "Until", time: (row) => row.last_update_timestamp },
              { head: "End", cell: (row) => words(row.cancel_reason ?? row.order_state) },
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
  const { once, isBusy, fault } = useOnce();
  const review = async () => {
    await venue.call("venue/admin/review_alert", { number, state: state.value, note: note.value });
    changed.value += 1;
    onClose();
  };
  return (
    <form class="form" aria-label="review" onSubmit={(event) => {
      event.preventDefault();
      void once(review);
    }}>
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
      <Fault text={fault.value} />
      <div class="dialog-actions"><button type="submit" class="button primary" disabled={isBusy.value}>Review</button></div>
    </form>
  );
}
