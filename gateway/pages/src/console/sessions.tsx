import { useSignal } from "@preact/signals";
import { Dialog } from "../shared/dialog";
import { useOnce } from "../shared/once";
import type { Venue } from "../shared/venue";
import { AccountLink } from "./account_link";
import { useAsked } from "./asked";
import { askFor } from "./change_dialog";
import type { SessionInfo } from "./console_types";
import { Fault } from "./fault";
import { bytes, duration } from "./figures";
import { changed, isAdmin } from "./state";
import { Table } from "./table";

/** The venue tells whole seconds. */
const wholeSeconds = (seconds: number) => (seconds < 10 ? `${seconds} s` : duration(seconds));

/** Who is connected, and how to cut a connection or end a key. */
export function Sessions({ venue }: { venue: Venue }) {
  const asked = useAsked<SessionInfo[]>(venue, "venue/admin/list_sessions", {}, 3000);
  const cut = useSignal<SessionInfo | null>(null);
  return (
    <>
      <Table name="Sessions" rows={asked.data.value} error={asked.error.value} empty="Nobody is connected."
        keyOf={({ session }) => session}
        columns={[
          { head: "Session", isNumber: true, cell: ({ session }) => session },
          { head: "Account", cell: ({ account, scopes }) => account === null ? (scopes.length > 0 ? "officer" : "–") : <AccountLink name={account} />, file: ({ account }) => account },
          { head: "Person", cell: ({ person }) => person ?? "–" },
          { head: "Key", cell: ({ key }) => key ?? "–" },
          { head: "Address", cell: ({ address }) => address },
          { head: "Port", cell: ({ port }) => port },
          { head: "Protocol", cell: ({ is_binary }) => (is_binary ? "binary" : "JSON") },
          { head: "Channels", isNumber: true, cell: ({ channels }) => channels },
          { head: "Open for", isNumber: true, cell: ({ open_s }) => wholeSeconds(open_s), file: ({ open_s }) => open_s },
          { head: "Silent for", isNumber: true, cell: ({ idle_s }) => wholeSeconds(idle_s), file: ({ idle_s }) => idle_s },
          {
            head: "Not read yet", isNumber: true, file: ({ unsent_bytes }) => unsent_bytes,
            cell: ({ unsent_bytes, is_slow }) => <span class={is_slow ? "down" : ""}>{is_slow && "■ slow, "}{bytes(unsent_bytes)}</span>,
          },
          {
            head: "",
            cell: (row) => isAdmin.value && (row.is_own ? <span class="dim">this page</span> : (
              <span class="actions">
                <button type="button" class="button small" aria-label={`Cut session ${row.session}`} onClick={() => (cut.value = row)}>Cut…</button>
                {row.key !== null && (
                  <button type="button" class="button small" aria-label={`Revoke key ${row.key}`}
                    onClick={() => askFor("revoke_key", { key: row.key ?? "" })}>
                    Revoke key…
                  </button>
                )}
              </span>
            )),
          },
        ]} />
      {cut.value !== null && <Cut key={cut.value.session} venue={venue} of={cut.value} onClose={() => (cut.value = null)} />}
    </>
  );
}

function Cut({ venue, of, onClose }: { venue: Venue; of: SessionInfo; onClose(): void }) {
  const reason = useSignal("");
  const { once, isBusy, fault } = useOnce();
  const end = async () => {
    await venue.call("venue/admin/end_session", { session: of.session, reason: reason.value });
    changed.value += 1;
    onClose();
  };
  return (
    <Dialog title={`Cut session ${of.session}`} onClose={onClose}>
      <form class="form" onSubmit={(event) => {
        event.preventDefault();
        void once(end);
      }}>
        <p>
          The websocket of {of.account ?? of.person ?? of.address} ends now. Its orders stay, unless its client has asked for
          cancel-on-disconnect. The client may connect again at once: to keep it out, revoke its key.
        </p>
        <label class="field">
          <span>Reason</span>
          <input class="input" required maxLength={500} value={reason.value} onInput={(event) => (reason.value = event.currentTarget.value)} />
        </label>
        <Fault text={fault.value} />
        <div class="dialog-actions">
          <button type="button" class="button" onClick={onClose}>Cancel</button>
          <button type="submit" class="button down-button" disabled={isBusy.value}>Cut it</button>
        </div>
      </form>
    </Dialog>
  );
}
