import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { save } from "../shared/csv";
import { Time } from "../shared/time";
import type { Order } from "../shared/venue_types";
import type { Venue } from "../shared/venue";
import { Disconnected } from "../shared/venue_error";
import { AccountDialog } from "./account_dialog";
import { useAsked } from "./asked";
import { Fault } from "./fault";
import { useOfferedClients } from "./offered_clients";
import { orderColumns } from "./order_columns";
import { Table } from "./table";
import { words } from "./words";

interface Rung {
  row: number;
  check: string;
  outcome: string;
  reason: string;
  figures: string;
}

interface Story {
  state: "running" | "waiting" | "done" | "failed";
  steps: { record: Record<string, unknown>; ladder: Rung[] }[];
  problem: string;
}

interface Asked {
  by: "order" | "sequence";
  /** As text on its whole way: a number of this language is exact up to 2^53 alone. */
  number: string;
}

/** The account that the address names: #/audit/alice. */
function accountOf(hash: string): string {
  try {
    return decodeURIComponent(hash.replace(/^#\/audit\/?/, ""));
  } catch {
    return ""; // no name that this page has written
  }
}

const AGAIN_MS = 1000;

/** Search of the audit trail: an account's orders, and for each decision the ladder row by row. */
export function Audit({ venue }: { venue: Venue }) {
  const account = useSignal(accountOf(location.hash));
  const shownAccount = useSignal(account.value);
  const explained = useSignal("");
  const asked = useSignal<Asked | null>(null);
  const by = useSignal<Asked["by"]>("order");
  const number = useSignal("");
  const clients = useOfferedClients(venue, account.value);
  return (
    <>
      <div class="part-head">
        <form class="actions" onSubmit={(event) => {
          event.preventDefault();
          shownAccount.value = account.value.trim();
          history.replaceState(null, "", `#/audit/${encodeURIComponent(shownAccount.value)}`);
        }}>
          <label class="field narrow">
            <span>Account</span>
            <input class="input" type="search" required maxLength={64} list="audited-accounts" value={account.value} onInput={(event) => (account.value = event.currentTarget.value)} />
          </label>
          <datalist id="audited-accounts">
            {clients.value.flatMap(({ accounts }) => accounts.map(({ account: name }) => <option value={name} />))}
          </datalist>
          <button type="submit" class="button">Its orders</button>
          <button type="button" class="button" disabled={account.value.trim() === ""} onClick={() => (explained.value = account.value.trim())}>
            Explain its margin
          </button>
        </form>
        <form class="actions" onSubmit={(event) => {
          event.preventDefault();
          asked.value = { by: by.value, number: String(BigInt(number.value.trim())) };
        }}>
          <label class="field">
            <span>Explain</span>
            <select class="input" value={by.value} onChange={(event) => (by.value = event.currentTarget.value as Asked["by"])}>
              <option value="order">order</option>
              <option value="sequence">sequence</option>
            </select>
          </label>
          <label class="field narrow">
            <span>Number</span>
            <input class="input" required inputMode="numeric" pattern="[0-9]{1,19}" value={number.value} onInput={(event) => (number.value = event.currentTarget.value)} />
          </label>
          <button type="submit" class="button">Explain</button>
        </form>
      </div>
      {asked.value !== null && <OneStory key={`${asked.value.by} ${asked.value.number}`} venue={venue} asked={asked.value} />}
      {shownAccount.value !== "" && (
        <Orders key={shownAccount.value} venue={venue} account={shownAccount.value} onExplain={(id) => (asked.value = { by: "order", number: id })} />
      )}
      <section class="panel part" aria-label="exports">
        <h2>Exports</h2>
        <p>
          Each table here is saved as CSV. The whole trail, hash-chained and sealed, is exported on the venue's machine
          by <code>lionrock audit export</code>, and checked by <code>lionrock audit verify</code>.
        </p>
      </section>
      {explained.value !== "" && <AccountDialog key={explained.value} venue={venue} account={explained.value} onClose={() => (explained.value = "")} />}
    </>
  );
}

function Orders({ venue, account, onExplain }: { venue: Venue; account: string; onExplain(id: string): void }) {
  const offset = useSignal(0);
  const asked = useAsked<Order[]>(venue, "venue/admin/list_orders", { account, offset: offset.value, count: 100 });
  return (
    <>
      <Table name={`Orders of ${account}`} rows={asked.data.value} error={asked.error.value} empty="It has none." keyOf={({ order_id }) => order_id}
        columns={[
          { head: "Order", cell: ({ order_id }) => order_id },
          { head: "Contract", cell: (row) => row.instrument_name },
          { head: "Type", cell: ({ order_type }) => words(order_type) },
          ...orderColumns<Order>((row) => row.instrument_name),
          { head: "State", cell: ({ order_state, cancel_reason }) => words(cancel_reason ?? order_state) },
          { head: "Label", wide: ({ label }) => label },
          { head: "Placed", time: (row) => row.creation_timestamp },
          { head: "", cell: ({ order_id }) => <button type="button" class="button small" aria-label={`Explain order ${order_id}`} onClick={() => onExplain(order_id)}>Explain</button> },
        ]} />
      <span class="actions">
        {offset.value > 0 && <button type="button" class="button" onClick={() => (offset.value -= 100)}>Later ones</button>}
        {(asked.data.value?.length ?? 0) >= 100 && <button type="button" class="button" onClick={() => (offset.value += 100)}>Earlier ones</button>}
      </span>
    </>
  );
}

/** An order's life: the venue reads it out of the journal, which may take a while. */
function OneStory({ venue, asked }: { venue: Venue; asked: Asked }) {
  const story = useSignal<Story | null>(null);
  const fault = useSignal("");
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isOver = false;
    const ask = async () => {
      try {
        const answer = await venue.call<Story>("venue/admin/explain_order", { by: asked.by, number: asked.number });
        if (isOver) return;
        story.value = answer;
        if (answer.state === "running" || answer.state === "waiting") timer = setTimeout(ask, AGAIN_MS);
      } catch (error) {
        if (isOver) return;
        if (error instanceof Disconnected) timer = setTimeout(ask, AGAIN_MS);
        else fault.value = (error as Error).message;
      }
    };
    void ask();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, []);
  const found = story.value;
  const title = `${words(asked.by)} ${asked.number}`;
  return (
    <section class="panel part" aria-label={`story of ${title}`}>
      <div class="part-head">
        <h2>{title}</h2>
        <button type="button" class="button small" disabled={found?.state !== "done"}
          onClick={() => save(`${title.replace(" ", "-")}.json`, JSON.stringify(found?.steps, null, 1), "application/json")}>
          Save as JSON
        </button>
      </div>
      <Fault text={fault.value} />
      {found?.state === "failed" && <p class="banner" role="alert">{found.problem}</p>}
      {(found?.state === "running" || found?.state === "waiting") && (
        <p role="status">{found.state === "waiting" ? "Another one is being read; it is next." : "Reading the journal…"}</p>
      )}
      {found?.steps.map(({ record, ladder }, place) => (
        <details key={place} open={ladder.length > 0}>
          <summary>
            {typeof record.time_ns === "string" && <Time ms={Number(record.time_ns) / 1e6} withDate />} sequence {String(record.seq)}: <b>{words(String(record.command).toLowerCase())}</b>
            {record.outcome ? `, ${String(record.outcome)}` : ""}{record.reason && record.reason !== "NONE" ? `: ${String(record.reason)}` : ""}
          </summary>
          {ladder.length > 0 && <Ladder rungs={ladder} />}
          <dl class="figures">
            {Object.entries(record).filter(([, value]) => value !== null && value !== "").map(([name, value]) => (
              <div><dt>{words(name)}</dt><dd class="wraps">{typeof value === "object" ? JSON.stringify(value) : String(value)}</dd></div>
            ))}
          </dl>
        </details>
      ))}
    </section>
  );
}

/** The rows of the admission ladder for one decision, in the order in which they were asked. */
function Ladder({ rungs }: { rungs: Rung[] }) {
  return (
    <div class="scrolled" tabIndex={0} role="region" aria-label="admission ladder">
      <table class="table">
        <thead><tr><th scope="col">Row</th><th scope="col">What was checked</th><th scope="col">Result</th><th scope="col">Figures</th></tr></thead>
        <tbody>
          {rungs.map(({ row, check, outcome, reason, figures }) => (
            <tr>
              <td>{row}</td><td>{check}</td>
              <td><span class={outcome === "refused" || reason !== "" ? "down" : ""}>{outcome}{reason !== "" && `: ${reason}`}</span></td>
              <td><span class="wraps">{figures}</span></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
