import { batch, effect } from "@preact/signals";
import { shown } from "../shared/numbers";
import {
  credentialsOfHash,
  keepCredentials,
  keptCredentials,
  takeCredentials,
  type Credentials,
} from "../shared/session";
import type { Notice, Order, Portfolio, Position, UserTrade } from "../shared/venue_types";
import { tellUnanswered } from "./actions";
import { say, sayRefusal } from "./messages";
import {
  accountName,
  decimalsIn,
  fills,
  instruments,
  notices,
  orders,
  portfolios,
  positions,
  reasons,
  venue,
} from "./state";
import { forcedBy, noticeWords, plain } from "./words";

const KEPT = "lionrock.keys";
const FILLS = 200;
const NOTICES = 50;
interface Explained {
  reason: string;
  meaning: string;
  remedy: string;
}

const LIVE = new Set(["open", "untriggered"]);

/** Fill the account's signals after each login. Call once, before the connection is made. */
export function beginAccount(): void {
  venue.use(takeCredentials(KEPT)[0] ?? null);
  addEventListener("hashchange", () => {
    const given = credentialsOfHash(location.hash);
    if (given !== null) useKey(takeCredentials(KEPT)[0] ?? given);
  });
  venue.subscribe(["user.orders.any.any.raw"], hearOrder);
  venue.subscribe(["user.trades.any.any.raw"], hearFills);
  venue.subscribe(["user.portfolio.any"], takePortfolio);
  venue.subscribe(
    ["user.positions.any"],
    (rows: Position[]) => (positions.value = rows.filter((row) => row.size !== 0)),
  );
  venue.subscribe(["user.notices"], hearNotices);
  effect(() => {
    if (venue.login.value === null) forget();
  });
  venue.whenLive(loadAccount);
}

/** The keys of this tab, the one in use first. */
export function knownKeys(): Credentials[] {
  return keptCredentials(KEPT);
}

/** Log in with a key and keep it for as long as the tab lives. Rejects when the venue refuses it. */
export async function signIn(credentials: Credentials): Promise<void> {
  try {
    await venue.logIn(credentials);
  } catch (error) {
    await loadAccount(); // of who is logged in as before
    throw error;
  }
  keepCredentials(KEPT, [credentials, ...knownKeys().filter((one) => one.key !== credentials.key)]);
  await loadAccount();
}

/** Use another key of this tab. */
export function useKey(credentials: Credentials): void {
  signIn(credentials).catch(sayRefusal);
}

/** Log out and forget this key; the other keys of the tab stay. */
export function signOut(): void {
  const key = venue.login.value?.key;
  keepCredentials(
    KEPT,
    knownKeys().filter((one) => one.key !== key),
  );
  venue.logOut();
}

/** Ask for what the channels do not say by themselves. Each answer is taken as it comes: what a channel says later is newer. */
async function loadAccount(): Promise<void> {
  if (venue.login.peek() === null) return;
  await Promise.all([
    venue.call<Order[]>("private/get_open_orders").then((open) => (orders.value = open.sort(latestFirst))),
    venue
      .call<{ username: string }[]>("private/get_subaccounts")
      .then((owned) => (accountName.value = owned[0]?.username ?? "")),
    venue
      .call<Explained[]>("venue/get_reject_reasons")
      .then((rows) => (reasons.value = new Map(rows.map((one) => [one.reason, one])))),
    loadFills(),
  ]);
  await tellUnanswered();
}

/** Own trades of the last days, for the table and the chart. */
async function loadFills(): Promise<void> {
  const currencies = [...new Set(instruments.value.map((one) => one.settlement_currency))];
  const pages = await Promise.all(
    currencies.map((currency) =>
      venue.call<{ trades: UserTrade[] }>("private/get_user_trades_by_currency", {
        currency,
        count: FILLS,
        sorting: "desc",
      }),
    ),
  );
  for (const page of pages) keepFills(page.trades);
}

function forget(): void {
  batch(() => {
    orders.value = [];
    positions.value = [];
    portfolios.value = [];
    fills.value = [];
    notices.value = [];
    accountName.value = "";
  });
}

function latestFirst(left: Order, right: Order): number {
  return right.creation_timestamp - left.creation_timestamp || Number(BigInt(right.order_id) - BigInt(left.order_id));
}

function hearOrder(order: Order): void {
  const before = orders.peek().find((one) => one.order_id === order.order_id);
  const others = orders.peek().filter((one) => one !== before);
  orders.value = LIVE.has(order.order_state) ? [...others, order].sort(latestFirst) : others;
  const side = `${order.direction === "buy" ? "Buy" : "Sell"} order in ${order.instrument_name}`;
  if (before?.order_state === "untriggered" && order.triggered && !before.triggered)
    say("info", `${side} was triggered`);
  if (before !== undefined && order.order_state === "cancelled" && order.cancel_reason !== "user_request") {
    const known = reasons.peek().get((order.cancel_reason ?? "").toUpperCase());
    say("bad", `${side} was cancelled: ${known?.meaning ?? plain(order.cancel_reason ?? "")}`, known?.remedy ?? "");
  }
}

/** Own trades that happen now: told where the user did not make them happen just now. */
function hearFills(rows: UserTrade[]): void {
  const known = new Set(fills.peek().map(nameOf));
  for (const trade of rows.filter((one) => !known.has(nameOf(one)))) {
    const { price, amount } = decimalsIn(trade.instrument_name);
    const done = trade.direction === "buy" ? "bought" : "sold";
    const what = `${done} ${shown(trade.amount, amount)} ${trade.instrument_name} at ${shown(trade.price, price)}`;
    const forced = forcedBy(trade);
    if (forced === "liquidation") say("bad", `Liquidation: ${what}`);
    else if (forced === "ADL") say("bad", `Automatic deleveraging (ADL): ${what}`);
    else if (trade.liquidity === "M") say("good", `Filled: ${what}`);
  }
  keepFills(rows);
}

function nameOf(trade: UserTrade): string {
  return `${trade.trade_id}/${trade.order_id}`;
}

function keepFills(rows: UserTrade[]): void {
  const known = new Map(fills.peek().map((trade) => [nameOf(trade), trade]));
  for (const trade of rows) known.set(nameOf(trade), trade);
  fills.value = [...known.values()].sort((left, right) => right.timestamp - left.timestamp).slice(0, FILLS);
}

function takePortfolio(portfolio: Portfolio): void {
  const others = portfolios.peek().filter((one) => one.currency !== portfolio.currency);
  portfolios.value = [...others, portfolio];
}

function hearNotices(rows: Notice[]): void {
  const named = (notice: Notice) =>
    notice.type === "lapse_warning" ? `${notice.reason}/${notice.valid_through}` : JSON.stringify(notice);
  const known = new Map(notices.peek().map((notice) => [named(notice), notice]));
  for (const notice of rows) {
    if (!known.has(named(notice)) && notice.type !== "lapse_warning") say("bad", noticeWords(notice));
    known.set(named(notice), notice);
  }
  notices.value = [...known.values()].sort((left, right) => right.timestamp - left.timestamp).slice(0, NOTICES);
}
