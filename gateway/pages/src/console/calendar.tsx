import { useSignal } from "@preact/signals";
import type { Venue } from "../shared/venue";
import { usePages } from "./asked";
import { urgency } from "./clients";
import type { Lapse } from "./console_types";
import { Table } from "./table";
import { words } from "./words";

/** What lapses on which day: evidence, confirmations, screenings, knowledge. */
export function Calendar({ venue }: { venue: Venue }) {
  const days = useSignal(60);
  const asked = usePages<Lapse>(venue, "venue/admin/list_lapses", "lapses", { days: days.value, count: 200 });
  const rows = asked.data.value;
  const months = new Map<string, number>();
  for (const { valid_through } of rows ?? []) months.set(valid_through.slice(0, 7), (months.get(valid_through.slice(0, 7)) ?? 0) + 1);
  return (
    <>
      <div class="part-head">
        <label class="field narrow">
          <span>What has lapsed, or lapses within</span>
          <select class="input" value={days.value} onChange={(event) => (days.value = Number(event.currentTarget.value))}>
            {[7, 30, 60, 180, 400].map((count) => <option value={count}>{count} days</option>)}
          </select>
        </label>
        <span class="actions">{[...months].map(([month, count]) => <span class="panel part">{month}: <b>{count}</b></span>)}</span>
      </div>
      <Table name="Last days" rows={rows} pages={asked.pages} error={asked.error.value} empty="Nothing lapses in this time."
        keyOf={({ client, topic, valid_through }) => `${client} ${topic} ${valid_through}`}
        columns={[
          { head: "Last day", cell: (row) => row.valid_through },
          {
            head: "Days left", isNumber: true, file: (row) => row.days_left,
            cell: (row) => <span class={urgency(row.days_left)}>{row.days_left < 0 ? `■ lapsed ${-row.days_left} days ago` : row.days_left}</span>,
          },
          { head: "Of", cell: ({ client }) => client },
          { head: "What", cell: ({ topic }) => words(topic) },
        ]} />
    </>
  );
}
