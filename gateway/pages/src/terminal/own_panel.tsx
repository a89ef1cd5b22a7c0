import { signal } from "@preact/signals";
import { Tabs } from "../shared/tabs";
import { Fills, FundingPayments, OrderHistory, Transactions } from "./history_tables";
import { OpenOrders } from "./open_orders";
import { Positions } from "./positions_table";
import { isSigningIn } from "./sign_in";
import { isLoggedIn, orders, positions } from "./state";
import { showView } from "./views";

const NAMES = ["positions", "orders", "fills", "history", "funding", "transactions"] as const;
type Name = (typeof NAMES)[number];
const TITLES: Record<Name, string> = {
  positions: "Positions",
  orders: "Open orders",
  fills: "Fills",
  history: "Order history",
  funding: "Funding payments",
  transactions: "Transactions",
};
const chosen = signal<Name>("positions");

/** Show one of the account's tables. */
export function showOwn(name: Name): void {
  chosen.value = name;
  showView("own");
}

/** The account's positions, orders and history. */
export function OwnPanel() {
  const counts: Partial<Record<Name, number>> = { positions: positions.value.length, orders: orders.value.length };
  return (
    <section class="panel own" aria-label="positions and orders">
      <Tabs
        label="positions and orders"
        tabs={NAMES.map((name) => ({ name, title: TITLES[name], count: counts[name] }))}
        chosen={chosen.value}
        onChoose={(name) => (chosen.value = name)}
      />
      <div class="scrolls own-body" tabIndex={0} role="tabpanel" aria-label={TITLES[chosen.value]}>
        {isLoggedIn.value ? (
          <Table name={chosen.value} />
        ) : (
          <p class="empty">
            <button type="button" class="button primary" onClick={() => (isSigningIn.value = true)}>
              Sign in
            </button>{" "}
            to see your positions and orders.
          </p>
        )}
      </div>
    </section>
  );
}

function Table({ name }: { name: Name }) {
  switch (name) {
    case "positions":
      return <Positions />;
    case "orders":
      return <OpenOrders />;
    case "fills":
      return <Fills />;
    case "history":
      return <OrderHistory />;
    case "funding":
      return <FundingPayments />;
    case "transactions":
      return <Transactions />;
  }
}
