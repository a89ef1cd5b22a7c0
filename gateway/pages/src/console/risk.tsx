import { useSignal } from "@preact/signals";
import { money, percent, shown, signed } from "../shared/numbers";
import type { Venue } from "../shared/venue";
import { AccountDialog } from "./account_dialog";
import { useAsked, usePages } from "./asked";
import { askFor } from "./change_dialog";
import type { ForcedTrade, Risk as Row } from "./console_types";
import { figures, isCompliance } from "./state";
import { Table } from "./table";
import { words } from "./words";

/** From this share of its equity on an account's maintenance margin is shown as near. */
const NEAR = 0.8;

/** Accounts near liquidation, and what liquidation and deleveraging have closed. */
export function Risk({ venue }: { venue: Venue }) {
  const risks = usePages<Row>(venue, "venue/admin/list_risks", "risks", { count: 100 }, 3000);
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
      <Table name="Accounts with positions" rows={risks.data.value} pages={risks.pages} error={risks.error.value} empty="Nobody holds a position."
        keyOf={({ account }) => account}
        columns={[
          { head: "Account", cell: ({ account }) => account },
          { head: "Client", cell: ({ client }) => client },
          {
            head: "Maintenance / equity", isNumber: true, file: ({ margin_ratio }) => margin_ratio,
            cell: ({ margin_ratio: ratio, is_liquidating }) => (
              <span class={is_liquidating || ratio > 1 ? "down" : ratio > NEAR ? "warn" : ""}>
                {is_liquidating ? "■ being liquidated, " : ratio > NEAR ? "◐ near, " : ""}{percent(ratio, 1).replace("+", "")}
              </span>
            ),
          },
          { head: "Equity", number: ({ equity }) => equity, say: 2 },
          { head: "Maintenance", number: (row) => row.maintenance_margin, say: 2 },
          { head: "Initial, with orders", number: (row) => row.initial_margin, say: 2 },
          { head: "Open orders", isNumber: true, cell: ({ open_orders }) => open_orders },
          {
            head: "Positions", file: ({ positions }) => positions,
            cell: ({ positions }) => positions.map((one) => (
              <div>
                <span class={one.size > 0 ? "up" : "down"}>{signed(one.size, 4)}</span> {one.instrument_name}
                {one.margin_mode === "isolated" && ", isolated"}
                {one.liquidation_price !== null && <span class="dim"> liquidation at {shown(one.liquidation_price, 2)}, {shown(one.distance_percent, 2)} % away</span>}
              </div>
            )),
          },
          {
            head: "",
            cell: ({ account, client }) => (
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
          { head: "Time", time: ({ timestamp }) => timestamp },
          { head: "How", cell: ({ type }) => <span class={type === "deleveraging" ? "down" : "warn"}>{words(type)}</span>, file: ({ type }) => type },
          { head: "Contract", cell: (row) => row.instrument_name },
          { head: "Account", cell: ({ account }) => account },
          { head: "Side", cell: ({ direction }) => direction },
          { head: "Amount", number: ({ amount }) => amount, say: 4 },
          { head: "Price", number: ({ price }) => price, say: money },
          { head: "Mark", number: (row) => row.mark_price, say: money },
          { head: "Gave up its profit", cell: ({ against }) => against ?? "–" },
        ]} />
      {open.value !== "" && <AccountDialog key={open.value} venue={venue} account={open.value} onClose={() => (open.value = "")} />}
    </>
  );
}
