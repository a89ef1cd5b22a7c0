import type { ComponentChildren } from "preact";
import { compact, shown } from "../shared/numbers";
import { Time } from "../shared/time";
import { bytes, duration, type Figures } from "./figures";
import { earlier, figures, health, readiness } from "./state";
import { TrendCharts } from "./trend_charts";
import { STAGES } from "./trends";
import { words } from "./words";

/** How the venue is: what is wrong, throughput, latency by stage, queues, journal, connections, room. */
export function Overview() {
  const now = figures.value;
  return (
    <>
      <Wrong />
      {now !== null && <TrendCharts />}
      {now === null ? <p class="empty">…</p> : (
        <div class="tiles">
          <Throughput now={now} />
          <Latency now={now} />
          <Queues now={now} />
          <Journal now={now} />
          <Connections now={now} />
          <Machine now={now} />
          <Room now={now} />
        </div>
      )}
    </>
  );
}

function Wrong() {
  const troubles = health.value?.troubles ?? [];
  const reasons = (readiness.value?.reasons ?? []).filter(({ reason }) => !troubles.some(({ name }) => name === reason));
  if (health.value === null) return null;
  if (troubles.length === 0 && reasons.length === 0) {
    return <p class="panel part well" role="status">✓ Nothing is wrong: the venue takes orders.</p>;
  }
  return (
    <section class="panel part" aria-label="what is wrong" role="status">
      <h2>What is wrong</h2>
      <ul class="troubles">
        {troubles.map(({ name, effect, cause, remedy, since_ms }) => (
          <li><b class="down">⚠ {name}</b> ({words(effect)}, since <Time ms={since_ms} withDate />): {cause}. <i>{remedy}</i></li>
        ))}
        {reasons.map(({ reason, cause, remedy }) => (
          <li><b class="warn">⚠ {reason}</b>: {cause}. <i>{remedy}</i></li>
        ))}
      </ul>
    </section>
  );
}

function Tile({ title, rows }: { title: string; rows: [string, ComponentChildren][] }) {
  return (
    <section class="panel part" aria-label={title}>
      <h2>{title}</h2>
      <dl class="figures">
        {rows.map(([name, value]) => <div><dt>{name}</dt><dd>{value}</dd></div>)}
      </dl>
    </section>
  );
}

const perSecond = (rate: number | undefined) => (rate === undefined ? "–" : `${compact(rate)}/s`);
const many = (value: number) => (value < 10_000 ? shown(value, 0) : compact(value));
const count = (value: number | undefined) => (value === undefined ? "–" : shown(value, 0));

function Throughput({ now }: { now: Figures }) {
  const rate = (name: string) => perSecond(now.rate(earlier.value, name));
  return (
    <Tile title="Throughput" rows={[
      ["Commands", rate("commands_total")],
      ["Requests", rate("requests_total")],
      ["Trades", rate("trades_total")],
      ["Refused by the engine", rate("refusals_total")],
      ["Refused by the gateway", rate("request_refusals_total")],
    ]} />
  );
}

function Latency({ now }: { now: Figures }) {
  const of = (stage: string) =>
    [0.5, 0.99].map((share) => {
      const bound = now.quantile(earlier.value, "stage_seconds", { stage }, share);
      return bound === undefined ? "–" : `≤ ${duration(bound)}`;
    }).join(" / ");
  return (
    <Tile title="Latency, half / 99 %" rows={[
      ...STAGES.map((stage): [string, string] => [words(stage), of(stage)]),
      ["Sync of the journal", duration(now.value("journal_sync_seconds"))],
    ]} />
  );
}

function Queues({ now }: { now: Figures }) {
  return (
    <Tile title="What waits" rows={[
      ["Commands in the batch", count(now.value("batch_commands"))],
      ["Turns until durable", count(now.value("outbox_turns"))],
      ["Questions", count(now.value("queries_waiting"))],
      ["Jobs of the engine", count(now.value("engine_jobs"))],
      ["Accounts for liquidation", count(now.value("liquidation_accounts"))],
      ["Changes for the log", count(now.value("registry_pending_changes"))],
      ["Events for surveillance", count(now.value("surveillance_waiting_events"))],
    ]} />
  );
}

function Journal({ now }: { now: Figures }) {
  return (
    <Tile title="Log" rows={[
      ["Sequence", count(now.value("log_sequence_total"))],
      ["Not durable yet", `${count(now.value("journal_lag_commands"))} commands`],
      ["Oldest waits", duration(now.value("journal_lag_seconds"))],
      ["Last snapshot", duration(now.value("snapshot_age_seconds"))],
      ["A start would replay", `${count(now.value("snapshot_lag_commands"))} commands`],
      ["Surveillance is behind", `${count(now.value("surveillance_lag_commands"))} commands`],
    ]} />
  );
}

function Connections({ now }: { now: Figures }) {
  const of = (kind: string) => `${count(now.value("connections", { port: "public", kind }))}`;
  return (
    <Tile title="Connections" rows={[
      ["Logged in", of("logged_in")],
      ["Anonymous", of("anonymous")],
      ["HTTP", of("http")],
      ["Read too slowly", count(now.value("slow_connections", { port: "public" }))],
      ["Turned away", count(now.value("connections_turned_away_total", { port: "public" }))],
      ["At most", count(now.value("connections_limit", { port: "public" }))],
    ]} />
  );
}

function Machine({ now }: { now: Figures }) {
  return (
    <Tile title="Machine" rows={[
      ["Memory", bytes(now.value("process_resident_memory_bytes"))],
      ["Processor", perCent(now.rate(earlier.value, "process_cpu_seconds_total"))],
      ["Disk, free", bytes(now.value("disk_free_bytes"))],
      ["Clock is away by", duration(Math.abs(now.value("clock_away_seconds") ?? 0))],
      ["Insurance fund", shown(now.value("insurance_fund"), 2)],
      ["Release", now.all("build_info")[0]?.labels.version ?? "–"],
    ]} />
  );
}

function perCent(share: number | undefined): string {
  return share === undefined ? "–" : `${(share * 100).toFixed(0)} %`;
}

/** How full the engine's arrays are, the fullest first. */
function Room({ now }: { now: Figures }) {
  const found = now.all("capacity_used").map(({ labels, value }) => {
    const limit = now.value("capacity_limit", { what: labels.what ?? "" }) ?? 0;
    return { what: labels.what ?? "", value, limit, share: limit > 0 ? value / limit : 0 };
  });
  found.sort((one, other) => other.share - one.share);
  return (
    <Tile title="Room in the engine" rows={found.map(({ what, value, limit, share }): [string, ComponentChildren] => [
      words(what),
      <span class={share > 0.8 ? "down" : ""}>
        <meter min={0} max={1} high={0.8} value={share} aria-label={`${words(what)} in use`} />
        {` ${many(value)} of ${many(limit)}`}
      </span>,
    ])} />
  );
}
