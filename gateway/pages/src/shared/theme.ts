import { signal, type ReadonlySignal } from "@preact/signals";

export type Theme = "dark" | "light";

const KEPT = "lionrock.theme";
const current = signal<Theme>("dark");

/** Dark or light: what the user has chosen, otherwise what the system prefers; dark where it says nothing. */
export const theme: ReadonlySignal<Theme> = current;

function show(chosen: Theme): void {
  current.value = chosen;
  document.documentElement.dataset.theme = chosen;
}

/** Take the kept choice or the system's preference; call once, before the first paint. */
export function beginTheme(): void {
  const prefersLight = matchMedia("(prefers-color-scheme: light)");
  const kept = localStorage.getItem(KEPT);
  show(kept === "light" || kept === "dark" ? kept : prefersLight.matches ? "light" : "dark");
  prefersLight.addEventListener("change", () => {
    if (localStorage.getItem(KEPT) === null) show(prefersLight.matches ? "light" : "dark");
  });
}

/** Change to the other one and keep it. */
export function switchTheme(): void {
  show(current.value === "dark" ? "light" : "dark");
  localStorage.setItem(KEPT, current.value);
}
