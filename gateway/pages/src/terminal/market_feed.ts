import { batch, effect } from "@preact/signals";
import { oncePerFrame } from "../shared/frames";
import { shown } from "../shared/numbers";
import type { BookMessage, Instrument, Liquidation, Ticker, Trade } from "../shared/venue_types";
import { NO_BOOK, OrderBook } from "./order_book";
import {
  book,
  instrumentName,
  instruments,
  isHalted,
  liquidations,
  priceDecimals,
  ticker,
  trades,
  venue,
} from "./state";

const TRADES = 200;
const LIQUIDATIONS = 50;
const CHOSEN = "lionrock.contract";

/** Fill the market's signals, for the chosen contract and after every reconnect. Call once. */
export function beginMarket(): void {
  venue.whenLive(loadInstruments);
  venue.subscribe(["platform_state"], (data) => (isHalted.value = data.locked === true || data.locked === "true"));
  effect(() => {
    const name = instrumentName.value;
    if (name === "") return;
    localStorage.setItem(CHOSEN, name);
    return follow(name);
  });
  effect(() => {
    const last = ticker.value?.last_price;
    document.title = last ? `${shown(last, priceDecimals.value)} ${instrumentName.value} · Lionrock` : "Lionrock";
  });
}

/** Show another contract. */
export function chooseInstrument(name: string): void {
  instrumentName.value = name;
}

async function loadInstruments(): Promise<void> {
  const listed = await venue.call<Instrument[]>("public/get_instruments");
  batch(() => {
    instruments.value = listed;
    const names = listed.map((one) => one.instrument_name);
    if (names.includes(instrumentName.peek())) return;
    const kept = localStorage.getItem(CHOSEN) ?? "";
    instrumentName.value = names.includes(kept) ? kept : (names[0] ?? "");
  });
}

/** Follow one contract; the returned function ends it. */
function follow(name: string): () => void {
  const chain = new OrderBook();
  const bookChannel = `book.${name}.100ms`;
  let newTicker: Ticker | null = null;
  let newTrades: Trade[] = [];
  let isOver = false;
  batch(() => {
    ticker.value = null;
    book.value = NO_BOOK;
    trades.value = [];
    liquidations.value = [];
  });
  const show = oncePerFrame(() => {
    if (isOver) return;
    batch(() => {
      book.value = chain.view();
      if (newTicker !== null) ticker.value = newTicker;
      if (newTrades.length > 0) trades.value = latest(newTrades, trades.peek());
      newTrades = [];
    });
  });
  const leave = [
    venue.subscribe([bookChannel], (data: BookMessage) => {
      if (chain.apply(data)) show();
      else venue.rejoin(bookChannel);
    }),
    venue.subscribe([`ticker.${name}.100ms`], (data: Ticker) => {
      newTicker = data;
      show();
    }),
    venue.subscribe([`trades.${name}.100ms`], (data: Trade[]) => {
      newTrades.push(...data);
      if (newTrades.length > 2 * TRADES) newTrades = latest(newTrades, []); // a hidden page has no frames
      show();
    }),
    venue.subscribe([`liquidations.${name}`], (data: Liquidation[]) => {
      liquidations.value = [...data.slice().reverse(), ...liquidations.peek()].slice(0, LIQUIDATIONS);
    }),
    venue.whenLive(async () => {
      const { trades: recent } = await venue.call<{ trades: Trade[] }>("public/get_last_trades_by_instrument", {
        instrument_name: name,
        count: TRADES,
      });
      if (isOver) return;
      newTrades = [...recent, ...newTrades];
      show();
    }),
  ];
  return () => {
    isOver = true;
    for (const end of leave) end();
  };
}

/** Trades in front of what was shown, the latest first and each once. */
export function latest(added: Trade[], shown: Trade[]): Trade[] {
  const bySequence = new Map(shown.map((trade) => [trade.trade_seq, trade]));
  for (const trade of added) bySequence.set(trade.trade_seq, trade);
  return [...bySequence.values()].sort((left, right) => right.trade_seq - left.trade_seq).slice(0, TRADES);
}
