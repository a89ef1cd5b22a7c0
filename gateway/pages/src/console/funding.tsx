import { useSignal } from "@preact/signals";
import { compact, percent } from "../shared/numbers";
import type { Venue } from "../shared/venue";
import { useAsked } from "./asked";
import { useDays } from "./days";
import { priceText } from "./prices";
import { figures } from "./state";
import { Table } from "./table";

interface Rate {
  timestamp: number;
  index_price: number;
  prev_index_price: number;
  interest_8h: number;
  interest_1h: number;
}

const MONTH_MS = 31 * 86_400_000;

/** The rates of the running intervals, and those that were settled in the last month. */
export function Funding({ venue }: { venue: Venue }) {
  const contracts = (figures.value?.all("mark_price") ?? []).map(({ labels }) => labels.contract ?? "");
  const chosen = useSignal("");
  const days = useDays(venue);
  const name = chosen.value || contracts[0] || "";
  return (
    <>
      <Table name="Running intervals" rows={[...days.values()]} empty="…" keyOf={({ instrument_name: one }) => one}
        columns={[
          { head: "Contract", cell: ({ instrument_name: one }) => one },
          { head: "Rate so far", hint: "Above zero longs pay shorts", number: (row) => row.current_funding, say: (value) => percent(value, 4) },
          { head: "Rate for 8 h", number: (row) => row.funding_8h, say: (value) => percent(value, 4) },
          { head: "Open interest", hint: "In base currency", number: (row) => row.open_interest, say: compact },
        ]} />
      <label class="field narrow">
        <span>Contract</span>
        <select class="input" value={name} onChange={(event) => (chosen.value = event.currentTarget.value)}>
          {contracts.map((one) => <option value={one}>{one}</option>)}
        </select>
      </label>
      {name !== "" && <Rates key={name} venue={venue} name={name} />}
    </>
  );
}

function Rates({ venue, name }: { venue: Venue; name: string }) {
  const until = useSignal(venue.nowMs + 60_000);
  const asked = useAsked<Rate[]>(venue, "public/get_funding_rate_history", {
    instrument_name: name, start_timestamp: until.value - MONTH_MS, end_timestamp: until.value,
  });
  return (
    <Table name={`Funding of ${name}`} rows={asked.data.value?.toReversed() ?? null} error={asked.error.value}
      empty="No interval was settled yet." keyOf={({ timestamp }) => timestamp}
      columns={[
        { head: "Settled", time: ({ timestamp }) => timestamp },
        { head: "Rate for 8 h", number: (row) => row.interest_8h, say: (value) => percent(value, 4) },
        { head: "Rate for 1 h", number: (row) => row.interest_1h, say: (value) => percent(value, 4) },
        { head: "Index", number: (row) => row.index_price, say: (value) => priceText(name, value) },
      ]} />
  );
}
