import { useSignal } from "@preact/signals";
import { amountText, percent, shown } from "../shared/numbers";
import type { Venue } from "../shared/venue";
import { AccountDialog } from "./account_dialog";
import { usePages } from "./asked";
import { AccountLink } from "./account_link";
import { askFor } from "./change_dialog";
import type { ForcedTrade, Risk as Row } from "./console_types";
import { roundsOf } from "./forced_rounds";
import { priceText } from "./prices";
import { figures, isCompliance } from "./state";
import { Table } from "./table";
import { words } from "./words";

/** From this share of its equity on an account's maintenance margin is shown as near. */
const NEAR = 0.8;

/** Accounts near liquidation, and what liquidation and deleveraging have closed. */
export function Risk({ venue }: { venue: Venue }) {
  const risks = usePages<Row>(venue, "venue/admin/list_risks", "risks", { count: 100 }, 3000);
  const forced = usePages<ForcedTrade>(venue, "venue/admin/list_forced_trades", "trades", { count: 1000 }, 5000);
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
          { head: "Account", cell: ({ account }) => <AccountLink name={account} />, file: ({ account }) => account },
          { head: "Client", cell: ({ client }) => client },
          {
            head: "Nearest pool", hint: "Maintenance margin as a share of equity, of the cross pool or of the isolated position that is nearest to liquidation: it begins above 100 %", isNumber: true, file: ({ margin_ratio }) => margin_ratio,
            cell: ({ margin_ratio: ratio, is_liquidating }) => (
              <span class={is_liquidating || ratio > 1 ? "down" : ratio > NEAR ? "warn" : ""}>
                {is_liquidating ? "■ being liquidated, " : ratio > NEAR ? "◐ near, " : ""}{percent(ratio, 1).replace("+", "")}
              </span>
            ),
          },
          { head: "Cross equity", number: ({ equity }) => equity, say: 2 },
          { head: "Cross maintenance", number: (row) => row.maintenance_margin, say: 2 },
          { head: "Initial, with orders", number: (row) => row.initial_margin, say: 2 },
          { head: "Open orders", isNumber: true, cell: ({ open_orders }) => open_orders },
          {
            head: "Positions", hint: "Until: the mark at which it would be liquidated", file: ({ positions }) => positions,
            cell: ({ positions }) => <div>{positions.map((one) => (
              <div class="held">
                <span class={one.size > 0 ? "up" : "down"}>{one.size > 0 && "+"}{amountText(one.size)}</span> <span title={one.instrument_name}>{one.instrument_name.replace("-PERPETUAL", "")}</span>
                {one.margin_mode === "isolated" && ", isolated"}
                {one.liquidation_price !== null && <span class="dim"> until {priceText(one.instrument_name, one.liquidation_price)}, <span class="whole">{shown(one.distance_percent, 2)} % away</span></span>}
              </div>
            ))}</div>,
          },
          {
            head: "",
            cell: ({ account, client }) => (
              <span class="actions stacked">
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
      <Table name="Liquidations and deleveraging" rows={forced.data.value === null ? null : roundsOf(forced.data.value)} error={forced.error.value}
        pages={{ ...forced.pages, all: async () => roundsOf(await forced.pages.all()) }} empty="Nothing was closed by force." keyOf={({ key }) => key}
        columns={[
          { head: "Until", time: ({ untilMs }) => untilMs },
          { head: "How", cell: ({ type }) => <span class={type === "deleveraging" ? "down" : "warn"}>{words(type)}</span>, file: ({ type }) => type },
          { head: "Contract", cell: ({ instrument }) => instrument },
          { head: "Account", cell: ({ account }) => <AccountLink name={account} />, file: ({ account }) => account },
          { head: "Side", cell: ({ direction }) => direction },
          { head: "Amount", number: ({ amount }) => amount, say: amountText },
          { head: "Price on average", number: ({ price }) => price, say: (value, { instrument }) => priceText(instrument, value) },
          { head: "Mark", number: ({ mark }) => mark, say: (value, { instrument }) => priceText(instrument, value) },
          { head: "Trades", isNumber: true, cell: ({ trades }) => trades },
          { head: "Gave up its profit", cell: ({ against }) => against.join(", ") || "–" },
        ]} />
      {open.value !== "" && <AccountDialog key={open.value} venue={venue} account={open.value} onClose={() => (open.value = "")} />}
    </>
  );
}
