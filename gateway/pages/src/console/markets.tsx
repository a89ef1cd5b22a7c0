import { useSignal } from "@preact/signals";
import { compact, decimalsOf, percent, tone } from "../shared/numbers";
import type { Summary } from "../shared/summaries";
import type { Venue } from "../shared/venue";
import { useAsked } from "./asked";
import { askFor } from "./change_dialog";
import type { Parameter } from "./console_types";
import { useDays } from "./days";
import { duration, type Figures } from "./figures";
import { priceText } from "./prices";
import { figures, isAdmin, isCompliance } from "./state";
import { Table } from "./table";
import { withUnit, words } from "./words";

/** A source is stale after so long: the engine stops counting it. */
const STALE_S = 10;

interface Market {
  name: string;
  state: string;
  mark: number | undefined;
  index: number | undefined;
  interest: number | undefined;
  funding: number | undefined;
}

/** Contracts with their states and index sources; halts, kill switches and parameters. */
export function Markets({ venue }: { venue: Venue }) {
  const now = figures.value;
  const days = useDays(venue);
  const of = ({ name }: Market) => days.get(name);
  const price = (value: number | null | undefined, { name }: Market) => priceText(name, value);
  return (
    <>
      <VenueSwitches />
      <Table name="Contracts" rows={now === null ? null : marketsOf(now)} empty="No contract is listed."
        keyOf={({ name }) => name}
        columns={[
          { head: "Contract", cell: ({ name }) => name },
          { head: "State", cell: ({ state }) => <State name={state} />, file: ({ state }) => state },
          { head: "Bid", number: (row) => of(row)?.bid_price, say: price },
          { head: "Ask", number: (row) => of(row)?.ask_price, say: price },
          { head: "Spread", hint: "Best ask less best bid", number: (row) => spreadOf(of(row)), say: price },
          { head: "Mark", number: ({ mark }) => mark, say: price },
          { head: "Index", number: ({ index }) => index, say: price },
          {
            head: "24 h change", isNumber: true, file: (row) => of(row)?.price_change,
            cell: (row) => <span class={tone(of(row)?.price_change)}>{perCent(of(row)?.price_change)}</span>,
          },
          { head: "24 h volume", hint: "In the settlement currency", number: (row) => of(row)?.volume_notional, say: compact },
          { head: "Open interest", hint: "In base currency", number: ({ interest }) => interest, say: compact },
          { head: "Last funding", number: ({ funding }) => funding, say: (value) => percent(value, 4) },
          { head: "", cell: (market) => <Switches market={market} /> },
        ]} />
      {now !== null && <Sources now={now} />}
      <Parameters venue={venue} contracts={now === null ? [] : marketsOf(now).map(({ name }) => name)} />
    </>
  );
}

/** Best ask less best bid; null while one side is empty. */
export function spreadOf(day: Summary | undefined): number | null {
  if (day?.bid_price == null || day.ask_price == null) return null;
  return Number((day.ask_price - day.bid_price).toFixed(Math.max(decimalsOf(day.ask_price), decimalsOf(day.bid_price))));
}

const perCent = (change: number | null | undefined) => percent(change == null ? null : change / 100);

function marketsOf(now: Figures): Market[] {
  return now.all("market_state").filter(({ value }) => value === 1).map(({ labels: { contract = "", state = "" } }) => ({
    name: contract,
    state,
    mark: now.value("mark_price", { contract }),
    index: now.value("index_price", { contract }),
    interest: now.value("open_interest", { contract }),
    funding: now.value("funding_rate", { contract }),
  }));
}

function State({ name }: { name: string }) {
  const kind = name === "open" ? "up" : name === "halted" ? "down" : "warn";
  const sign = { up: "●", warn: "◐", down: "■" }[kind];
  return <span class={kind}>{sign} {words(name)}</span>;
}

function Switches({ market }: { market: Market }) {
  const state = (wanted: string) => () =>
    askFor("set_contract_state", { instrument_name: market.name, ...(wanted === "" ? {} : { state: wanted }) });
  return (
    <span class="actions">
      {isAdmin.value && market.state !== "halted" && (
        <button type="button" class="button small down-button" aria-label={`Halt ${market.name}`} onClick={state("halted")}>Halt</button>
      )}
      {isAdmin.value && market.state !== "open" && (
        <button type="button" class="button small" aria-label={`Open ${market.name}`} onClick={state("open")}>Open</button>
      )}
      {isAdmin.value && (
        <button type="button" class="button small" aria-label={`Another state of ${market.name}`} onClick={state("")}>State…</button>
      )}
      {isCompliance.value && (
        <button type="button" class="button small" aria-label={`Kill switch of ${market.name}`}
          onClick={() => askFor("kill_switch", { target: "contract", name: market.name })}>
          Kill…
        </button>
      )}
    </span>
  );
}

function VenueSwitches() {
  if (!isCompliance.value && !isAdmin.value) return null;
  return (
    <section class="panel part" aria-label="the whole venue">
      <div class="part-head">
        <h2>The whole venue</h2>
        <span class="actions">
          {isCompliance.value && (
            <>
              <button type="button" class="button down-button" onClick={() => askFor("kill_switch", { target: "venue", is_on: "true" })}>
                Stop all trading
              </button>
              <button type="button" class="button" onClick={() => askFor("kill_switch", { target: "venue", is_on: "false" })}>
                Let it trade again
              </button>
              <button type="button" class="button" onClick={() => askFor("kill_switch")}>Kill switch…</button>
            </>
          )}
          {isAdmin.value && (
            <>
              <button type="button" class="button" onClick={() => askFor("list_contract")}>List a contract…</button>
              <button type="button" class="button" onClick={() => askFor("set_index_sources")}>Index sources…</button>
              <button type="button" class="button" onClick={() => askFor("accept_clock")}>Accept the clock…</button>
            </>
          )}
        </span>
      </div>
    </section>
  );
}

function Sources({ now }: { now: Figures }) {
  const rows = now.all("index_staleness_seconds").map(({ labels, value }) => ({ ...labels, age: value }) as {
    contract: string; place: string; source: string; age: number;
  });
  return (
    <Table name="Index sources" rows={rows} empty="No source has given a price yet."
      keyOf={({ contract, place }) => `${contract} ${place}`}
      columns={[
        { head: "Contract", cell: ({ contract }) => contract },
        { head: "Place", cell: ({ place }) => place },
        { head: "Source", cell: ({ source }) => source },
        {
          head: "Last price", isNumber: true, file: ({ age }) => age,
          cell: ({ age }) => <span class={age > STALE_S ? "down" : "up"}>{age > STALE_S ? "■ stale, " : "● "}{duration(age)} ago</span>,
        },
      ]} />
  );
}

function Parameters({ venue, contracts }: { venue: Venue; contracts: string[] }) {
  const chosen = useSignal("");
  const asked = useAsked<Parameter[]>(venue, "venue/admin/list_parameters", chosen.value === "" ? {} : { instrument_name: chosen.value });
  const change = (row: Parameter) =>
    chosen.value === ""
      ? askFor("set_venue_parameter", { parameter: row.parameter })
      : askFor("set_contract_parameter", { instrument_name: chosen.value, parameter: row.parameter, item: String(row.item) });
  return (
    <>
      <label class="field narrow">
        <span>Parameters of</span>
        <select class="input" value={chosen.value} onChange={(event) => (chosen.value = event.currentTarget.value)}>
          <option value="">the venue</option>
          {contracts.map((name) => <option value={name}>{name}</option>)}
        </select>
      </label>
      <Table name={`Parameters of ${chosen.value || "the venue"}`} rows={asked.data.value} error={asked.error.value}
        empty="None was set." keyOf={({ parameter, item }) => `${parameter} ${item}`}
        columns={[
          { head: "Parameter", cell: ({ parameter }) => words(parameter), file: ({ parameter }) => parameter },
          { head: "Place", cell: ({ item }) => item },
          { head: "Value", isNumber: true, cell: ({ parameter, value }) => withUnit(parameter, value), file: ({ value }) => value },
          { head: "By change", isNumber: true, cell: ({ change: number }) => number ?? "before officers" },
          {
            head: "",
            cell: (row) => isAdmin.value && !["surveillance", "index_source"].includes(row.parameter) && (
              <button type="button" class="button small" aria-label={`Change ${words(row.parameter)} ${row.item}`} onClick={() => change(row)}>
                Change…
              </button>
            ),
          },
        ]} />
    </>
  );
}
