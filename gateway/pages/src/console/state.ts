import { computed, effect, signal } from "@preact/signals";
import { takeCredentials } from "../shared/session";
import type { Venue } from "../shared/venue";
import type { Health, Readiness, SessionInfo } from "./console_types";
import { Figures } from "./figures";
import { learnTicks } from "./prices";
import { withReading, type Reading } from "./trends";

/** Under this name the tab keeps officers' keys, apart from the terminal's. */
export const KEYS = "lionrock.console";
const EVERY_MS = 2000;
/** What takes the venue long is asked for less often: it works on it for a tenth of the time at most. */
export const REST = 9;

/** What the operations listener says without a login, read every two seconds while somebody looks. */
export const figures = signal<Figures | null>(null);
export const earlier = signal<Figures | null>(null);
/** The trends of the last minutes, whichever place is shown. */
export const readings = signal<Reading[]>([]);
export const health = signal<Health | null>(null);
export const readiness = signal<Readiness | null>(null);
export const unreachable = signal("");

/** The person whose key is logged in, and what the key may do. */
export const officer = signal<{ person: string; scopes: string[] } | null>(null);
export const isCompliance = computed(() => officer.value?.scopes.includes("compliance") ?? false);
export const isAdmin = computed(() => officer.value?.scopes.includes("admin") ?? false);

/** What waits for a person, by place. */
export const waits = signal<Record<string, string>>({});
const WAITS_EVERY_MS = 10_000, MOST_COUNTED = 99;

/** Count what waits: proposals for the second person, alerts that nobody has reviewed, what has lapsed or does so in a week. */
async function count(venue: Venue): Promise<void> {
  if (officer.value === null || document.visibilityState !== "visible") return;
  const asked: [string, string, Record<string, unknown>][] = [
    ["changes", "list_changes", { state: "proposed" }], ["alerts", "list_alerts", { state: "open" }],
    ["calendar", "list_lapses", { days: 7 }],
  ];
  const found: Record<string, string> = {};
  for (const [place, method, params] of asked) {
    const page = await venue.call(`venue/admin/${method}`, { ...params, count: MOST_COUNTED + 1 });
    const rows: number = page[method.replace("list_", "")].length;
    if (rows > 0) found[place] = rows > MOST_COUNTED ? `${MOST_COUNTED}+` : String(rows);
  }
  waits.value = found;
}

/** Grows with everything that this page has changed: lists are asked for again then. */
export const changed = signal(0);

async function page<T>(path: string): Promise<T> {
  return (await (await fetch(path)).json()) as T;
}

async function look(): Promise<void> {
  if (document.visibilityState !== "visible") return;
  try {
    const [text, found, ready] = await Promise.all([
      fetch("/metrics").then((answer) => answer.text()),
      page<Health>("/healthz"),
      page<Readiness>("/readyz"),
    ]);
    earlier.value = figures.value;
    const now = Figures.parse(text, Date.now());
    readings.value = withReading(readings.value, now, figures.value);
    figures.value = now;
    health.value = found;
    readiness.value = ready;
    unreachable.value = "";
  } catch {
    unreachable.value = "the venue does not answer; the figures are the last ones";
  }
}

/** Read the figures now and every two seconds; log in with the key that this tab holds. */
export function begin(venue: Venue): void {
  const [kept] = takeCredentials(KEYS);
  if (kept !== undefined) venue.use(kept);
  venue.whenLive(() => learnOfficer(venue));
  learnTicks(venue);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const again = async () => {
    const begun = performance.now();
    await count(venue).catch(() => undefined); // it is asked again soon
    clearTimeout(timer);
    timer = setTimeout(again, Math.max(WAITS_EVERY_MS, REST * (performance.now() - begun)));
  };
  effect(() => {
    if (officer.value !== null && changed.value >= 0) void again();
  });
  void look();
  setInterval(look, EVERY_MS);
}

/** Whose key is logged in: the venue says it of this very connection. Nobody's when it is no officer's. */
export async function learnOfficer(venue: Venue): Promise<void> {
  if (venue.login.value === null) {
    officer.value = null;
    return;
  }
  const sessions = await venue.call<SessionInfo[]>("venue/admin/list_sessions");
  const own = sessions.find((session) => session.is_own);
  officer.value = own?.person ? { person: own.person, scopes: own.scopes } : null;
}
