import type { ForcedTrade } from "./console_types";

/** Forced trades of one account in one contract, of one kind and side, that followed each other. */
export interface Round {
  key: string;
  fromMs: number;
  untilMs: number;
  type: ForcedTrade["type"];
  instrument: string;
  account: string;
  direction: string;
  trades: number;
  amount: number;
  /** Weighted by the amounts. */
  price: number;
  mark: number | null;
  against: string[];
}

/** Trades within so many ms belong to one round. */
const APART_MS = 60_000;

/** Forced trades, the latest first, gathered into rounds: an account is closed in many small trades. */
export function roundsOf(trades: ForcedTrade[]): Round[] {
  const rounds: Round[] = [];
  const open = new Map<string, Round>();
  for (const trade of trades) {
    const name = [trade.account, trade.instrument_name, trade.type, trade.direction].join(" ");
    const last = open.get(name);
    const [amount, against] = [Number(trade.amount), trade.against === null ? [] : [trade.against]];
    if (last !== undefined && last.fromMs - trade.timestamp <= APART_MS) {
      last.price = (last.price * last.amount + trade.price * amount) / (last.amount + amount);
      last.amount += amount;
      last.trades += 1;
      last.fromMs = trade.timestamp;
      last.against.push(...against.filter((one) => !last.against.includes(one)));
      continue;
    }
    const round = {
      key: `${trade.instrument_name} ${trade.trade_id}`, fromMs: trade.timestamp, untilMs: trade.timestamp, type: trade.type,
      instrument: trade.instrument_name, account: trade.account, direction: trade.direction, trades: 1, amount,
      price: trade.price, mark: trade.mark_price, against,
    };
    open.set(name, round);
    rounds.push(round);
  }
  return rounds;
}
