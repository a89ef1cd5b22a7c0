import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Dialog } from "../shared/dialog";
import { useOnce } from "../shared/once";
import type { Venue } from "../shared/venue";
import { Disconnected } from "../shared/venue_error";
import { ChangeForm } from "./change_form";
import type { Change, ChangePreview, Parameter } from "./console_types";
import { Fault } from "./fault";
import { useOfferedClients } from "./offered_clients";
import { kinds, paramsOf, type Kind, type Written } from "./schema";
import { changed, figures } from "./state";
import { words, withUnit } from "./words";

interface Wanted {
  kind: string;
  given: Record<string, Written>;
}

const wanted = signal<Wanted | null>(null);

/** Ask for a change: the dialog opens with what is decided already. Nothing is done before it was shown and confirmed. */
export function askFor(kind: string, given: Record<string, Written> = {}): void {
  wanted.value = { kind, given };
}

export function ChangeDialog({ venue }: { venue: Venue }) {
  const open = wanted.value;
  if (open === null) return null;
  const close = () => (wanted.value = null);
  return (
    <Dialog key={open.kind + JSON.stringify(open.given)} title={words(open.kind)} onClose={close}>
      <Steps venue={venue} open={open} onClose={close} />
    </Dialog>
  );
}

/** First the fields, then what it would do, then what became of it. */
function Steps({ venue, open, onClose }: { venue: Venue; open: Wanted; onClose(): void }) {
  const kind = useSignal<Kind | null>(null);
  const written = useSignal<Record<string, Written>>(open.given);
  const preview = useSignal<ChangePreview | null>(null);
  const outcome = useSignal<Change | null>(null);
  const { once, isBusy, fault } = useOnce();
  const known = useKnown(venue, written.value);
  useEffect(() => {
    void once(async () => {
      const all = await kinds().catch(() => {
        throw new Error("the protocol's document could not be read; try again");
      });
      kind.value = all.get(open.kind) ?? null;
    });
  }, []);
  const own = kind.value;
  if (own === null) return <p>{fault.value || "…"}</p>;
  const params = () => paramsOf(own.params, written.value);
  const look = () =>
    once(async () => {
      preview.value = await venue.call<ChangePreview>("venue/admin/preview_change", { change: open.kind, params: params() });
    });
  const submit = () =>
    once(async () => {
      outcome.value = await venue.call<Change>(`venue/admin/${open.kind}`, params()).catch((error) => {
        throw error instanceof Disconnected ? new Error(`${error.message}; look at Changes before you ask for it again`) : error;
      });
      changed.value += 1;
    });
  if (outcome.value !== null) return <Outcome change={outcome.value} onClose={onClose} />;
  if (preview.value !== null) {
    return (
      <>
        <Preview preview={preview.value} />
        <Fault text={fault.value} />
        <div class="dialog-actions">
          <button type="button" class="button" onClick={() => (preview.value = null)}>Back</button>
          <button type="button" class="button primary" disabled={isBusy.value} onClick={submit}>
            {preview.value.needs_second_person ? "Propose it to a second person" : "Do it now"}
          </button>
        </div>
      </>
    );
  }
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        void look();
      }}
    >
      <p>{own.summary}</p>
      <ChangeForm params={own.params} written={written.value} fixed={new Set(Object.keys(open.given))} known={known}
        onWrite={(name, value) => (written.value = { ...written.value, [name]: value })} />
      <Fault text={fault.value} />
      <div class="dialog-actions">
        <button type="button" class="button" onClick={onClose}>Cancel</button>
        <button type="submit" class="button primary" disabled={isBusy.value}>See what it does</button>
      </div>
    </form>
  );
}

/** Names to choose from, for the fields that name something that exists. */
function useKnown(venue: Venue, written: Record<string, Written>): Record<string, string[]> {
  const text = (value: Written | undefined) => (typeof value === "string" ? value : "");
  const clients = useOfferedClients(venue, text(written.client));
  const owners = useOfferedClients(venue, text(written.account));
  const parameters = useSignal<Parameter[]>([]);
  const instrument = text(written.instrument_name);
  useEffect(() => {
    const params = instrument === "" ? {} : { instrument_name: instrument };
    venue.call<Parameter[]>("venue/admin/list_parameters", params).then((found) => (parameters.value = found), () => undefined);
  }, [instrument]);
  const contracts = (figures.value?.all("mark_price") ?? []).map(({ labels }) => labels.contract ?? "");
  return {
    client: clients.value.map(({ client }) => client),
    account: owners.value.flatMap(({ accounts }) => accounts.map(({ account }) => account)),
    instrument_name: contracts,
    parameter: [...new Set(parameters.value.map(({ parameter }) => parameter))],
  };
}

/** What a change would do. */
export function Preview({ preview }: { preview: ChangePreview }) {
  return (
    <div class="preview" role="region" aria-label="what it does">
      {preview.effects.length > 0 && (
        <ul>
          {preview.effects.map((effect) => <li>{effect}</li>)}
        </ul>
      )}
      {preview.open_orders > 0 && (
        <p><b>{preview.open_orders}</b> {preview.open_orders === 1 ? "order is" : "orders are"} open on what it is about.</p>
      )}
      {preview.directives.length > 0 ? (
        <div class="scrolled" tabIndex={0} role="region" aria-label="values before and after">
          <table class="table">
            <thead>
              <tr><th scope="col">of</th><th scope="col">what</th><th scope="col">now</th><th scope="col">then</th></tr>
            </thead>
            <tbody>
              {preview.directives.map((row) => (
                <tr>
                  <td>{row.account ?? row.instrument_name ?? "the venue"}</td>
                  <td>{words(row.code && !row.kind.endsWith("state") ? row.code : row.kind)}{row.index > 0 ? ` ${row.index}` : ""}</td>
                  <td>{row.code === null && row.before === null ? "–" : withUnit(row.code ?? "", row.before)}</td>
                  <td><b>{withUnit(row.code ?? "", row.after)}</b></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        <p class="dim">It changes the venue's records alone; nothing of it goes to the matching engine.</p>
      )}
      {preview.remarks.map((remark) => <p class="warn">{remark}</p>)}
      {preview.frozen_clients.length > 0 && <p class="banner">It touches a frozen client: {preview.frozen_clients.join(", ")}.</p>}
      <p>
        {preview.needs_second_person
          ? "It loosens a rule or moves prices, money or keys: another person must approve it within three days."
          : "It tightens: one officer may do it, and it is in force at once."}
      </p>
    </div>
  );
}

function Outcome({ change, onClose }: { change: Change; onClose(): void }) {
  const refused = change.directives.flatMap(({ refused: reason }) => (reason === null ? [] : [reason]));
  return (
    <>
      <p role="status">
        {refused.length > 0
          ? `Change ${change.number} was refused by the engine: ${refused.join(", ")}.`
          : change.state === "proposed"
            ? `Change ${change.number} waits for a second person.`
            : `Change ${change.number} is done${change.sequence === null ? "" : ` at sequence ${change.sequence}`}.`}
        {change.is_cancelling && " Orders are still being cancelled."}
        {change.orders_cancelled !== null && ` ${change.orders_cancelled} ${change.orders_cancelled === 1 ? "order" : "orders"} cancelled.`}
      </p>
      {change.remarks.map((remark) => <p class="warn">{remark}</p>)}
      <div class="dialog-actions">
        <button type="button" class="button primary" onClick={onClose}>Close</button>
      </div>
    </>
  );
}
