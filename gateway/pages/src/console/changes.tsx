import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Dialog } from "../shared/dialog";
import { useOnce } from "../shared/once";
import { Time } from "../shared/time";
import type { Venue } from "../shared/venue";
import { useAsked, usePages } from "./asked";
import { askFor, Preview } from "./change_dialog";
import type { Change, ChangePreview } from "./console_types";
import { Fault } from "./fault";
import { kinds, type Kind } from "./schema";
import { changed, officer } from "./state";
import { Table } from "./table";
import { told, words } from "./words";

const STATES = ["proposed", "approved", "rejected", "expired", "done", "refused", "all"];

/** What officers have asked for: proposals that wait for the second person, and everything before. */
export function Changes({ venue }: { venue: Venue }) {
  const state = useSignal("proposed");
  const open = useSignal<number | null>(null);
  const asked = usePages<Change>(venue, "venue/admin/list_changes", "changes", { state: state.value, count: 100 }, 5000);
  return (
    <>
      <div class="part-head">
        <label class="field narrow">
          <span>Show</span>
          <select class="input" value={state.value} onChange={(event) => (state.value = event.currentTarget.value)}>
            {STATES.map((name) => <option value={name}>{name === "proposed" ? "proposed: waits for the second person" : name}</option>)}
          </select>
        </label>
        <AnyChange />
      </div>
      <Table name="Changes" rows={asked.data.value} pages={asked.pages} error={asked.error.value} keyOf={({ number }) => number}
        empty={state.value === "proposed" ? "No proposal waits." : "There is none."}
        columns={[
          { head: "Number", isNumber: true, cell: ({ number }) => number },
          { head: "Change", cell: ({ change }) => words(change) },
          { head: "Of", wide: ({ params }) => told(params) },
          { head: "Reason", wide: ({ reason }) => reason },
          { head: "By", cell: ({ actor_name }) => actor_name },
          { head: "Asked", time: ({ created }) => created },
          { head: "State", cell: (row) => stateOf(row) },
          { head: "Second person", cell: ({ approver_name }) => approver_name ?? "–" },
          {
            head: "",
            cell: ({ number, state: own }) => (
              <button type="button" class="button small" aria-label={`${own === "proposed" ? "Decide" : "Show"} change ${number}`}
                onClick={() => (open.value = number)}>
                {own === "proposed" ? "Decide…" : "Show…"}
              </button>
            ),
          },
        ]} />
      {open.value !== null && <OneChange key={open.value} venue={venue} number={open.value} onClose={() => (open.value = null)} />}
    </>
  );
}

function stateOf({ state, directives }: Change): string {
  const refused = directives.flatMap(({ refused: reason }) => (reason === null ? [] : [reason]));
  return refused.length > 0 ? `refused: ${refused.join(", ")}` : state;
}

/** Every change that the officer's key may ask for, by name. */
function AnyChange() {
  const name = useSignal("");
  const all = useSignal<Kind[]>([]);
  useEffect(() => {
    kinds().then((found) => (all.value = [...found.values()]), () => undefined); // the dialog says why it cannot be read
  }, []);
  const own = all.value.filter(({ scope }) => officer.value?.scopes.includes(scope)).map((kind) => kind.name);
  return (
    <span class="actions">
      <label class="field narrow">
        <span>Ask for a change</span>
        <select class="input" value={name.value} onChange={(event) => (name.value = event.currentTarget.value)}>
          <option value="">choose…</option>
          {own.sort().map((kind) => <option value={kind}>{words(kind)}</option>)}
        </select>
      </label>
      <button type="button" class="button" disabled={name.value === ""} onClick={() => askFor(name.value)}>Ask…</button>
    </span>
  );
}

/** One change in full, with what it would do now while it is only proposed. */
function OneChange({ venue, number, onClose }: { venue: Venue; number: number; onClose(): void }) {
  const asked = useAsked<Change>(venue, "venue/admin/get_change", { number });
  const change = asked.data.value;
  return (
    <Dialog title={`Change ${number}`} onClose={onClose}>
      <Fault text={asked.error.value} />
      {change === null ? <p>…</p> : (
        <>
          <p><b>{words(change.change)}</b>, asked by {change.actor_name} at <Time ms={change.created} withDate /></p>
          <dl class="figures">
            {Object.entries(change.params).filter(([, value]) => value !== null).map(([name, value]) => (
              <div><dt>{words(name)}</dt><dd class="wraps">{typeof value === "object" ? JSON.stringify(value) : String(value)}</dd></div>
            ))}
          </dl>
          {change.remarks.map((remark) => <p class="warn">{remark}</p>)}
          {change.frozen_clients.length > 0 && <p class="banner">It touches a frozen client: {change.frozen_clients.join(", ")}.</p>}
          {change.state === "proposed" ? <Decision venue={venue} change={change} onClose={onClose} /> : (
            <p role="status">
              {stateOf(change)}
              {change.approver_name !== null && `, decided by ${change.approver_name}`}
              {change.note !== "" && `: ${change.note}`}
              {change.sequence !== null && `; sequence ${change.sequence}`}
            </p>
          )}
        </>
      )}
    </Dialog>
  );
}

function Decision({ venue, change, onClose }: { venue: Venue; change: Change; onClose(): void }) {
  const note = useSignal("");
  const { once, isBusy, fault } = useOnce();
  const isOwn = change.actor_name === officer.value?.person;
  const preview = useAsked<ChangePreview>(venue, "venue/admin/preview_change", { change: change.change, params: change.params });
  const decide = (how: "approve" | "reject") =>
    once(async () => {
      await venue.call(`venue/admin/${how}`, { number: change.number, note: note.value });
      changed.value += 1;
      onClose();
    });
  return (
    <>
      {preview.data.value !== null && <Preview preview={preview.data.value} />}
      {preview.error.value !== "" && <p class="banner" role="alert">What it would do is not known: {preview.error}</p>}
      {isOwn && <p class="banner">You have asked for it: another person must approve it. You may reject it.</p>}
      <label class="field">
        <span>Note (optional)</span>
        <textarea class="input" rows={2} maxLength={500} value={note.value} onInput={(event) => (note.value = event.currentTarget.value)} />
      </label>
      <Fault text={fault.value} />
      <div class="dialog-actions">
        <button type="button" class="button" disabled={isBusy.value} onClick={() => decide("reject")}>Reject</button>
        <button type="button" class="button primary" disabled={isBusy.value || isOwn} onClick={() => decide("approve")}>Approve</button>
      </div>
    </>
  );
}
