import { cancelAll } from "./actions";
import { isHelping } from "./help";
import { isPicking } from "./contract_picker";
import { showOwn } from "./own_panel";
import { instrumentName, isLoggedIn } from "./state";
import { fill, press } from "./ticket_state";
import { showView } from "./views";

interface Key {
  key: string;
  does: string;
  run(): void;
}

function focus(id: string): void {
  showView("trade");
  requestAnimationFrame(() => document.getElementById(id)?.focus());
}

export const KEYS: Key[] = [
  { key: "/", does: "choose a contract", run: () => (isPicking.value = true) },
  { key: "a", does: "write the amount", run: () => focus("ticket-amount") },
  { key: "p", does: "write the price", run: () => focus("ticket-price") },
  { key: "l", does: "limit order", run: () => fill({ type: "limit" }) },
  { key: "m", does: "market order", run: () => fill({ type: "market" }) },
  { key: "B", does: "buy, after a question (shift and b)", run: () => void press("buy", true) },
  { key: "S", does: "sell, after a question (shift and s)", run: () => void press("sell", true) },
  {
    key: "X",
    does: "cancel all orders of this contract, after a question",
    run: () => void (isLoggedIn.value && cancelAll(instrumentName.value)),
  },
  { key: "1", does: "positions", run: () => showOwn("positions") },
  { key: "2", does: "open orders", run: () => showOwn("orders") },
  { key: "3", does: "fills", run: () => showOwn("fills") },
  { key: "?", does: "this help", run: () => (isHelping.value = true) },
];

/** Listen to the keys; call once. */
export function beginKeys(): void {
  addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) || document.querySelector("dialog[open]") !== null) {
      if (event.key === "Escape") target.blur();
      return;
    }
    const found = KEYS.find((one) => one.key === event.key);
    if (found === undefined) return;
    event.preventDefault();
    found.run();
  });
}
