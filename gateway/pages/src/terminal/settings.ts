import { effect, signal } from "@preact/signals";

/** A choice that this browser keeps. */
function kept<Value>(name: string, initial: Value) {
  const key = `lionrock.${name}`;
  let begun = initial;
  try {
    const text = localStorage.getItem(key);
    if (text !== null) begun = JSON.parse(text);
  } catch {
    localStorage.removeItem(key);
  }
  const choice = signal<Value>(begun);
  effect(() => localStorage.setItem(key, JSON.stringify(choice.value)));
  return choice;
}

/** Whether an order is shown with its preview before it is sent. */
export const asksFirst = kept("asks_first", true);
/** Whether amounts are written in base currency or as their value. */
export const amountUnit = kept<"base" | "quote">("amount_unit", "base");
/** Trades below this amount are not listed, by contract. */
export const smallestTrade = kept<Record<string, string>>("smallest_trade", {});
/** How many ticks a row of the book has, by contract. */
export const bookGroup = kept<Record<string, number>>("book_group", {});
