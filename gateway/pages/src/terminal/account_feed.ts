import { batch, effect } from "@preact/signals";
import { whenQuiet } from "../shared/frames";
import { credentialsOfHash, keepCredentials, keptCredentials, takeCredentials, type Credentials } from "../shared/session";
import type { Notice, Order, Portfolio, Position, UserTrade } from "../shared/venue_types";
import { tellUnanswered } from "./actions";
import { sayRefusal } from "./messages";
import { accountName, fills, instruments, notices, orders, portfolios, positions, reasons, venue } from "./state";

const KEPT = "lionrock.keys";
const FILLS = 200;
const NOTICES = 50;
const LIVE = new Set(["open", "untriggered"]);

/** Fill the account's signals after each login. Call once, before the connection is made. */
export function beginAccount(): void {
  venue.use(takeCredentials(KEPT)[0] ?? null);
  addEventListener("hashchange", () => {
    const given = credentialsOfHash(location.hash);
    if (given !== null) useKey(takeCredentials(KEPT)[0] ?? given);
  });
  venue.subscribe(["user.orders.any.any.raw"], (order: Order) => takeOrder(order));
  venue.subscribe(["user.trades.any.any.raw"], takeFills);
  venue.subscribe(["user.portfolio.any"], takePortfolio);
  venue.subscribe(["user.positions.any"], (rows: Position[]) => (positions.value = rows));
  venue.subscribe(["user.notices"], takeNotices);
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
  await venue.logIn(credentials);
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
  keepCredentials(KEPT, knownKeys().filter((one) => one.key !== key));
  venue.logOut();
}

/** Ask for everything about the account; what channels said meanwhile is newer and stays. */
async function loadAccount(): Promise<void> {
  if (venue.login.peek() === null) return;
  const [open, held, owned, explained] = await Promise.all([
    venue.call<Order[]>("private/get_open_orders"),
    venue.call<Position[]>("private/get_positions"),
    venue.call<{ id: number; username: string }[]>("private/get_subaccounts"),
    venue.call<{ reason: string; meaning: string; remedy: string }[]>("venue/get_reject_reasons"),
  ]);
  batch(() => {
    orders.value = open.sort(latestFirst);
    positions.value = held.filter((position) => position.size !== 0);
    accountName.value = owned[0]?.username ?? "";
    reasons.value = new Map(explained.map((one) => [one.reason, one]));
  });
  await loadFills();
  await tellUnanswered();
}

/** Own trades of the last days, for the table and the chart. */
async function loadFills(): Promise<void> {
  const currencies = [...new Set(instruments.value.map((one) => one.settlement_currency))];
  const pages = await Promise.all(
    currencies.map((currency) =>
      venue.call<{ trades: UserTrade[] }>("private/get_user_trades_by_currency", { currency, count: FILLS, sorting: "desc" }),
    ),
  );
  for (const page of pages) takeFills(page.trades);
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
  return right.creation_timestamp - left.creation_timestamp || Number(right.order_id) - Number(left.order_id);
}

function takeOrder(order: Order): void {
  const others = orders.peek().filter((one) => one.order_id !== order.order_id);
  orders.value = LIVE.has(order.order_state) ? [...others, order].sort(latestFirst) : others;
}

const loadPositions = whenQuiet(() => {
  venue
    .call<Position[]>("private/get_positions")
    .then((held) => (positions.value = held.filter((position) => position.size !== 0)))
    .catch(() => undefined);
}, 100);

function takeFills(rows: UserTrade[]): void {
  const named = (trade: UserTrade) => `${trade.trade_id}/${trade.order_id}`;
  const known = new Map(fills.peek().map((trade) => [named(trade), trade]));
  for (const trade of rows) known.set(named(trade), trade);
  fills.value = [...known.values()].sort((left, right) => right.timestamp - left.timestamp).slice(0, FILLS);
}

function takePortfolio(portfolio: Portfolio): void {
  const others = portfolios.peek().filter((one) => one.currency !== portfolio.currency);
  portfolios.value = [...others, portfolio];
  loadPositions();
}

function takeNotices(rows: Notice[]): void {
  const named = (notice: Notice) =>
    notice.type === "lapse_warning" ? `${notice.reason}/${notice.valid_through}` : JSON.stringify(notice);
  const known = new Map(notices.peek().map((notice) => [named(notice), notice]));
  for (const notice of rows) known.set(named(notice), notice);
  notices.value = [...known.values()].sort((left, right) => right.timestamp - left.timestamp).slice(0, NOTICES);
}
