import { computed } from "@preact/signals";
import { AccountPanel } from "./account_panel";
import { amend, cancel } from "./actions";
import { AmendFigures, AmendPreview } from "./amend_preview";
import { Charts } from "./charts/charts";
import { ask, Confirmation } from "./confirmation";
import { Header } from "./header";
import { Help } from "./help";
import { Messages, sayRefusal } from "./messages";
import { OrderBookPanel } from "./order_book_panel";
import { OwnPanel } from "./own_panel";
import { previewOfEdit } from "./preview";
import { asksFirst } from "./settings";
import { SignIn } from "./sign_in";
import {
  book,
  decimalsIn,
  instrument,
  instrumentFills,
  instrumentName,
  instrumentOrders,
  isHalted,
  positions,
  ticker,
  venue,
} from "./state";
import { Ticket } from "./ticket";
import { pickPrice } from "./ticket_state";
import { TradesPanel } from "./trades_panel";
import { view, ViewBar } from "./views";
import { shown } from "../shared/numbers";
import type { Order } from "../shared/venue_types";

const position = computed(() => positions.value.find((one) => one.instrument_name === instrumentName.value) ?? null);

/** An order's line was dragged in the chart: amend it, after a question if the user wants that. */
async function dragged(order: Order, field: "price" | "trigger_price", price: string): Promise<void> {
  const decimals = decimalsIn(order.instrument_name);
  const [before, after] = [Number(order[field]), Number(price)].map((value) => shown(value, decimals.price));
  const line = `${order.direction === "buy" ? "Buy" : "Sell"} ${shown(order.amount, decimals.amount)} ${order.instrument_name}: the ${field.replace("_", " ")} ${before} becomes ${after}.`;
  if (asksFirst.value) {
    const preview = await previewOfEdit(order.order_id, { [field]: price });
    const of = instrument.peek();
    const more = preview === null || of === null ? null : <AmendFigures preview={preview} of={of} />;
    const isMeant = await ask({ title: "Amend order", lines: [line], action: "Amend", direction: order.direction, more });
    if (!isMeant) throw new Error("the order stays as it is");
  }
  try {
    await amend(order, { [field]: price });
  } catch (error) {
    sayRefusal(error);
    throw error;
  }
}

/** The whole terminal. */
export function App() {
  const of = instrument.value;
  return (
    <>
      <Header />
      <Banner />
      <main data-view={view.value}>
        <div class="panel chart-area">
          {of !== null && (
            <Charts
              key={of.instrument_name}
              venue={venue}
              instrument={of}
              ticker={ticker}
              book={book}
              orders={instrumentOrders}
              fills={instrumentFills}
              position={position}
              onAmend={dragged}
              amendPreview={(order, field, price) => <AmendPreview order={order} changes={{ [field]: price }} />}
              onCancel={(order: Order) => void cancel(order)}
              onPick={pickPrice}
            />
          )}
        </div>
        <OrderBookPanel />
        <TradesPanel />
        <div class="side">
          <Ticket />
          <AccountPanel />
        </div>
        <OwnPanel />
      </main>
      <ViewBar />
      <Messages />
      <Confirmation />
      <SignIn />
      <Help />
    </>
  );
}

/** What everybody has to know now: the connection is lost, the venue is halted, messages are missing. */
function Banner() {
  const lines = [];
  if (venue.connection.value === "lost")
    lines.push("The connection to the venue is lost. What you see may be old. Connecting again …");
  if (isHalted.value) lines.push("The venue's officers have halted trading. Orders can be cancelled.");
  if (venue.gap.value !== "") lines.push(venue.gap.value);
  if (lines.length === 0) return null;
  return (
    <div class="banner" role="alert">
      {lines.map((line) => (
        <p key={line}>{line}</p>
      ))}
    </div>
  );
}
