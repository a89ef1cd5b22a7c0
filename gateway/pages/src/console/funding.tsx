import { useSignal } from "@preact/signals";
import { percent, shown } from "../shared/numbers";
import { Time } from "../shared/time";
import type { Venue } from "../shared/venue";
import { useAsked } from "./asked";
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

/** The funding rates that were settled in the last month. */
export function Funding({ venue }: { venue: Venue }) {
  const contracts = (figures.value?.all("mark_price") ?? []).map(({ labels }) => labels.contract ?? "");
  const chosen = useSignal("");
  const name = chosen.value || contracts[0] || "";
  return (
    <>
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
  const until = useSignal(Date.now() + 60_000);
  const asked = useAsked<Rate[]>(venue, "public/get_funding_rate_history", {
    instrument_name: name, start_timestamp: until.value - MONTH_MS, end_timestamp: until.value,
  });
  return (
    <Table name={`Funding of ${name}`} rows={asked.data.value?.toReversed() ?? null} error={asked.error.value}
      empty="No interval was settled yet." keyOf={({ timestamp }) => timestamp}
      columns={[
        { title: "Settled", of: ({ timestamp }) => <Time ms={timestamp} withDate />, file: ({ timestamp }) => new Date(timestamp).toISOString() },
        { title: "Rate for 8 h", isNumber: true, of: (row) => percent(row.interest_8h, 4), file: (row) => row.interest_8h },
        { title: "Rate for 1 h", isNumber: true, of: (row) => percent(row.interest_1h, 4), file: (row) => row.interest_1h },
        { title: "Index", isNumber: true, of: (row) => shown(row.index_price, 2), file: (row) => row.index_price },
      ]} />
  );
}
