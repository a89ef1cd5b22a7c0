import { useSignal } from "@preact/signals";
import { Dialog } from "../shared/dialog";
import type { Venue } from "../shared/venue";
import { AccountLink } from "./account_link";
import { useAsked } from "./asked";
import { askFor } from "./change_dialog";
import type { ClientRecord, ClientSummary } from "./console_types";
import { Fault } from "./fault";
import type { Written } from "./schema";
import { isAdmin, isCompliance } from "./state";
import { Table } from "./table";
import { told, words } from "./words";

const PAGE = 100;
/** What is valid for longer than a life has no end for an officer. */
const NO_END_DAYS = 36_525;

/** Clients: who they are, what each still lacks, and onboarding or renewal step by step. */
export function Clients({ venue }: { venue: Venue }) {
  const name = useSignal("");
  const after = useSignal("");
  const open = useSignal("");
  const asked = useAsked<ClientSummary[]>(venue, "venue/admin/list_clients", { name: name.value, after: after.value, count: PAGE });
  const rows = asked.data.value;
  return (
    <>
      <div class="part-head">
        <label class="field narrow">
          <span>Find a client</span>
          <input class="input" type="search" maxLength={64} value={name.value} onInput={(event) => {
            name.value = event.currentTarget.value;
            after.value = "";
          }} />
        </label>
        {isCompliance.value && <button type="button" class="button" onClick={() => askFor("open_account")}>Open an account…</button>}
        {after.value !== "" && <button type="button" class="button" onClick={() => (after.value = "")}>First page</button>}
        {rows?.length === PAGE && <button type="button" class="button" onClick={() => (after.value = rows.at(-1)!.client)}>Next page</button>}
      </div>
      <Table name="Clients" hasOwnSearch rows={rows} error={asked.error.value} empty="There is none." keyOf={({ client }) => client}
        columns={[
          { head: "Client", wide: ({ client }) => client },
          { head: "Class", cell: (row) => words(row.investor_class) },
          {
            head: "Standing", file: ({ is_frozen, is_killed }) => (is_frozen ? "frozen" : is_killed ? "kill switch" : ""),
            cell: ({ is_frozen, is_killed }) => is_frozen ? <span class="down">■ frozen</span> : is_killed ? <span class="down">■ kill switch</span> : "–",
          },
          {
            head: "Accounts", file: ({ accounts }) => accounts.map(({ account }) => account).join(" "),
            cell: ({ accounts }) => <div>{accounts.map(({ account, restriction }) => <div><AccountLink name={account} />{restriction !== "none" && <span class="warn"> {words(restriction)}</span>}</div>)}</div>,
          },
          {
            head: "Lacks", file: ({ missing }) => missing.join(" "),
            cell: ({ missing }) => <span class="wraps">{missing.length === 0 ? <span class="up">✓ nothing</span> : missing.map(words).join(", ")}</span>,
          },
          {
            head: "Lapses first", file: ({ lapses_first, valid_through }) => `${lapses_first ?? ""} ${valid_through ?? ""}`.trim(),
            cell: (row) => row.lapses_first === null ? "–" : <span class={urgency(row.days_left ?? 0)}>{(row.days_left ?? 0) > NO_END_DAYS ? "no end" : `${words(row.lapses_first)}, ${row.valid_through} (${row.days_left} days)`}</span>,
          },
          { head: "", cell: ({ client }) => <button type="button" class="button small" aria-label={`Open ${client}`} onClick={() => (open.value = client)}>Open…</button> },
        ]} />
      {open.value !== "" && <OneClient key={open.value} venue={venue} client={open.value} onClose={() => (open.value = "")} />}
    </>
  );
}

/** The colour of what lapses in so many days. */
export function urgency(days: number): string {
  return days < 0 ? "down" : days <= 30 ? "warn" : "";
}

interface Step {
  /** The attribute that the step gives, as a client's accounts have it. */
  attribute: string;
  title: string;
  change: string;
  given: Record<string, Written>;
}

const STEPS: Step[] = [
  { attribute: "kyc_until", title: "Identity (KYC)", change: "record_kyc", given: {} },
  { attribute: "screening_until", title: "Screening", change: "record_screening", given: {} },
  { attribute: "jurisdiction_permitted", title: "Residence", change: "record_jurisdiction", given: {} },
  { attribute: "evidence_until", title: "Evidence of a professional investor", change: "record_evidence", given: {} },
  { attribute: "confirmation_until", title: "Yearly confirmation", change: "record_confirmation", given: {} },
  { attribute: "va_knowledge", title: "Knowledge of virtual assets", change: "record_knowledge", given: { subject: "virtual_assets" } },
  { attribute: "risk_profile", title: "Risk profile", change: "record_risk_profile", given: {} },
  { attribute: "agreement", title: "Agreement", change: "record_agreement", given: {} },
  { attribute: "disclosure_product", title: "Disclosure: product", change: "record_disclosure", given: { disclosure: "product" } },
  { attribute: "disclosure_loss", title: "Disclosure: losses", change: "record_disclosure", given: { disclosure: "loss" } },
];

function OneClient({ venue, client, onClose }: { venue: Venue; client: string; onClose(): void }) {
  const asked = useAsked<ClientRecord>(venue, "venue/admin/get_client_record", { client });
  const record = asked.data.value;
  const ask = (change: string, given: Record<string, Written>) => {
    onClose();
    askFor(change, given);
  };
  return (
    <Dialog title={`Client ${client}`} onClose={onClose}>
      <Fault text={asked.error.value} />
      {record !== null && (
        <>
          <Steps record={record} ask={ask} />
          <Persons record={record} ask={ask} />
          {isAdmin.value && record.accounts[0] !== undefined && (
            <span class="actions">
              <button type="button" class="button small" onClick={() => ask("issue_key", { account: record.accounts[0]!.name })}>Issue a key…</button>
              <button type="button" class="button small" onClick={() => ask("record_deposit", { account: record.accounts[0]!.name })}>Deposit…</button>
              <button type="button" class="button small" onClick={() => ask("record_withdrawal", { account: record.accounts[0]!.name })}>Withdrawal…</button>
            </span>
          )}
          {isCompliance.value && (
            <span class="actions">
              <button type="button" class="button small" onClick={() => ask("set_restriction", { client })}>Restrict…</button>
              <button type="button" class="button small" onClick={() => ask("kill_switch", { target: "client", name: client })}>Kill switch…</button>
              <button type="button" class="button small" onClick={() => ask("set_limits", { client })}>Limits…</button>
              <button type="button" class="button small" onClick={() => ask("set_affiliation", { client })}>Affiliation…</button>
              <button type="button" class="button small" onClick={() => ask("record_institution", { client })}>Institution…</button>
              <button type="button" class="button small" onClick={() => ask("record_ownership", { client })}>Owners…</button>
              <button type="button" class="button small" onClick={() => ask("record_assessment", { client })}>Assessment…</button>
            </span>
          )}
          <Table name={`Records of ${client}`} rows={record.records} empty="Nothing was recorded." keyOf={({ number }) => number}
            columns={[
              { head: "Recorded", time: ({ recorded }) => recorded },
              { head: "Topic", cell: ({ topic }) => words(topic) },
              { head: "Through", cell: ({ valid_through }) => valid_through ?? "–" },
              { head: "Change", isNumber: true, cell: ({ change, refused }) => <>{change}{refused && <span class="down"> {refused}</span>}</>, file: ({ change }) => change },
              { head: "Details", cell: ({ details }) => <span class="wraps">{told(details)}</span>, file: ({ details }) => details },
              { head: "SHA-256", wide: ({ document_hash }) => document_hash },
            ]} />
        </>
      )}
    </Dialog>
  );
}

interface Part {
  record: ClientRecord;
  ask(change: string, given: Record<string, Written>): void;
}

/** What an account must have before it may open positions: what is given, and a button for what is not, or ends soon. */
function Steps({ record, ask }: Part) {
  const [account] = record.accounts;
  return (
    <ol class="steps" aria-label="steps">
      {STEPS.map(({ attribute, title, change, given }) => {
        const value = account?.in_force[attribute];
        const isDate = attribute.endsWith("_until");
        const isGiven = value !== undefined && value !== 0 && value !== "never given" && !(isDate && String(value) < record.today);
        return (
          <li>
            <span class={isGiven ? "up" : "down"}>{isGiven ? "✓" : "✗"}</span>
            <span class="grows">{title}</span>
            <span class="dim">{value === undefined || value === 0 ? "never given" : isDate ? `through ${value}` : ""}</span>
            {isCompliance.value && (
              <button type="button" class="button small" aria-label={`${isGiven ? "Renew" : "Record"} ${title}`}
                onClick={() => ask(change, { client: record.client, ...given })}>
                {isGiven ? "Renew…" : "Record…"}
              </button>
            )}
          </li>
        );
      })}
    </ol>
  );
}

function Persons({ record, ask }: Part) {
  return (
    <section aria-label="persons">
      <h3>Persons and keys</h3>
      {record.persons.length === 0 && <p class="dim">Nobody has a key.</p>}
      <ul class="steps">
        {record.persons.map(({ person, name }) => (
          <li>
            <span class="grows">{name}</span>
            <span class="dim">{record.keys.filter((key) => key.person === person && key.is_live).map(({ id, account }) => `${id} (${account})`).join(", ") || "no live key"}</span>
            {isCompliance.value && (
              <button type="button" class="button small" aria-label={`Record what ${name} knows of derivatives`}
                onClick={() => ask("record_knowledge", { subject: "derivatives", person: name })}>
                Knowledge of derivatives…
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
