import { signal } from "@preact/signals";
import { positions } from "./state";

/** Which part a phone shows: there is room for one. */
export const VIEWS = ["chart", "book", "trade", "own", "account"] as const;
export type View = (typeof VIEWS)[number];
export const view = signal<View>("chart");

const TITLES: Record<View, [sign: string, title: string]> = {
  chart: ["◰", "Chart"],
  book: ["☰", "Book"],
  trade: ["⇅", "Trade"],
  own: ["▤", "Positions"],
  account: ["◉", "Account"],
};

export function showView(name: View): void {
  view.value = name;
}

/** The bar at the bottom of a phone. */
export function ViewBar() {
  const held = positions.value.length;
  return (
    <nav class="view-bar" aria-label="parts">
      {VIEWS.map((name) => (
        <button
          key={name}
          type="button"
          aria-current={view.value === name ? "page" : undefined}
          onClick={() => showView(name)}
        >
          <span aria-hidden="true">{TITLES[name][0]}</span>
          {TITLES[name][1]}
          {name === "own" && held > 0 ? ` (${held})` : ""}
        </button>
      ))}
    </nav>
  );
}
