import { useSignal } from "@preact/signals";
import { percent, shown, signed } from "../shared/numbers";
import { Time } from "../shared/time";
import type { Venue } from "../shared/venue";
import { AccountDialog } from "./account_dialog";
import { useAsked } from "./asked";
import { askFor } from "./change_dialog";
import type { ForcedTrade, Risk as Row } from "./console_types";
import { figures, isCompliance } from "./state";
import { Table } from "./table";
import { words } from "./words";

/** From this share of its equity on an account's maintenance margin is shown as near. */
const NEAR = 0.8;

/** Accounts near liquidation, and what liquidation and deleveraging have closed. */
export function Risk({ venue }: { venue: Venue }) {
  const risks = useAsked<Row[]>(venue, "venue/admin/list_risks", { count: 100 }, 3000);
  const forced = useAsked<ForcedTrade[]>(venue, "venue/admin/list_forced_trades", { count: 200 }, 5000);
  const open = useSignal("");
  const explain = (account: string) => (
    <button type="button" class="button small" aria-label={`Explain ${account}`} onClick={() => (open.value = account)}>Explain…</button>
  );
  return (
    <>
      <section class="panel part" aria-label="insurance fund">
        <dl class="figures narrow">
          <div><dt>Insurance fund</dt><dd>{shown(figures.value?.value("insurance_fund"), 2)}</dd></div>
          <div><dt>Accounts for liquidation</dt><dd>{shown(figures.value?.value("liquidation_accounts"), 0)}</dd></div>
        </dl>
      </section>
      <Table name="Accounts with positions" rows={risks.data.value} error={risks.error.value} empty="Nobody holds a position."
        keyOf={({ account }) => account}
        columns={[
          { title: "Account", of: ({ account }) => account },
          { title: "Client", of: ({ client }) => client },
          {
            title: "Maintenance / equity", isNumber: true, file: ({ margin_ratio }) => margin_ratio,
            of: ({ margin_ratio: ratio, is_liquidating }) => (
              <span class={is_liquidating || ratio > 1 ? "down" : ratio > NEAR ? "warn" : ""}>
                {is_liquidating ? "■ being liquidated, " : ratio > NEAR ? "◐ near, " : ""}{percent(ratio, 1).replace("+", "")}
              </span>
            ),
          },
          { title: "Equity", isNumber: true, of: ({ equity }) => shown(equity, 2), file: ({ equity }) => equity },
          { title: "Maintenance", isNumber: true, of: (row) => shown(row.maintenance_margin, 2), file: (row) => row.maintenance_margin },
          { title: "Initial, with orders", isNumber: true, of: (row) => shown(row.initial_margin, 2), file: (row) => row.initial_margin },
          { title: "Open orders", isNumber: true, of: ({ open_orders }) => open_orders },
          {
            title: "Positions", file: ({ positions }) => positions,
            of: ({ positions }) => positions.map((one) => (
              <div>
                <span class={one.size > 0 ? "up" : "down"}>{signed(one.size, 4)}</span> {one.instrument_name}
                {one.margin_mode === "isolated" && ", isolated"}
                {one.liquidation_price !== null && <span class="dim"> liquidation at {shown(one.liquidation_price, 2)}, {shown(one.distance_percent, 2)} % away</span>}
              </div>
            )),
          },
          {
            title: "",
            of: ({ account, client }) => (
              <span class="actions">
                {explain(account)}
                {isCompliance.value && (
                  <>
                    <button type="button" class="button small" aria-label={`Kill switch of ${account}`}
                      onClick={() => askFor("kill_switch", { target: "account", name: account })}>Kill…</button>
                    <button type="button" class="button small" aria-label={`Restrict ${client}`}
                      onClick={() => askFor("set_restriction", { client })}>Restrict…</button>
                  </>
                )}
              </span>
            ),
          },
        ]} />
      <Table name="Liquidations and deleveraging" rows={forced.data.value} error={forced.error.value} empty="Nothing was closed by force."
        keyOf={({ trade_id }) => trade_id}
        columns={[
          { title: "Time", of: ({ timestamp }) => <Time ms={timestamp} withDate />, file: ({ timestamp }) => new Date(timestamp).toISOString() },
          { title: "How", of: ({ type }) => <span class={type === "deleveraging" ? "down" : "warn"}>{words(type)}</span>, file: ({ type }) => type },
          { title: "Contract", of: (row) => row.instrument_name },
          { title: "Account", of: ({ account }) => account },
          { title: "Side", of: ({ direction }) => direction },
          { title: "Amount", isNumber: true, of: ({ amount }) => shown(amount, 4), file: ({ amount }) => amount },
          { title: "Price", isNumber: true, of: ({ price }) => shown(price, 2), file: ({ price }) => price },
          { title: "Mark", isNumber: true, of: (row) => shown(row.mark_price, 2), file: (row) => row.mark_price },
          { title: "Gave up its profit", of: ({ against }) => against ?? "–" },
        ]} />
      {open.value !== "" && <AccountDialog key={open.value} venue={venue} account={open.value} onClose={() => (open.value = "")} />}
    </>
  );
}
