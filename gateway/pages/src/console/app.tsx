import { useSignal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { keepCredentials } from "../shared/session";
import { switchTheme, theme } from "../shared/theme";
import { zone } from "../shared/times";
import type { Venue } from "../shared/venue";
import { Affiliates } from "./affiliates";
import { Alerts } from "./alerts";
import { Audit } from "./audit";
import { Calendar } from "./calendar";
import { ChangeDialog } from "./change_dialog";
import { Changes } from "./changes";
import { Clients } from "./clients";
import { Fault } from "./fault";
import { Funding } from "./funding";
import { Markets } from "./markets";
import { Overview } from "./overview";
import { Risk } from "./risk";
import { Sessions } from "./sessions";
import { SignIn } from "./sign_in";
import { health, KEYS, officer, readiness, unreachable, waits } from "./state";
import { words } from "./words";

const PLACES: Record<string, { title: string; shown: ComponentType<{ venue: Venue }> }> = {
  overview: { title: "Overview", shown: Overview },
  markets: { title: "Markets", shown: Markets },
  risk: { title: "Risk", shown: Risk },
  funding: { title: "Funding", shown: Funding },
  sessions: { title: "Sessions", shown: Sessions },
  changes: { title: "Changes", shown: Changes },
  clients: { title: "Clients", shown: Clients },
  calendar: { title: "Calendar", shown: Calendar },
  affiliates: { title: "Affiliates", shown: Affiliates },
  alerts: { title: "Alerts", shown: Alerts },
  audit: { title: "Audit", shown: Audit },
};

/** The place that the address names, the overview without one; what stands behind it is the place's own. */
function placeOf(hash: string): string {
  const [name = ""] = hash.replace(/^#\//, "").split("/");
  return name in PLACES ? name : "overview";
}

/** The whole console. */
export function App({ venue }: { venue: Venue }) {
  const place = useSignal(placeOf(location.hash));
  useEffect(() => {
    const follow = () => (place.value = placeOf(location.hash));
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    // on a phone the places are a row that is wider than the screen: the one that is shown is always in sight
    nav.current?.querySelector('[aria-current="page"]')?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [place.value, officer.value]);
  const Shown = PLACES[place.value]!.shown;
  return (
    <div class="console">
      <Head venue={venue} />
      <Fault text={unreachable.value} />
      {venue.connection.value === "lost" && <p class="banner" role="alert">The connection is lost; connecting again…</p>}
      {officer.value === null ? <SignIn venue={venue} /> : (
        <div class="columns">
          <nav aria-label="places" ref={nav}>
            {Object.entries(PLACES).map(([name, { title }]) => (
              <a href={`#/${name}`} aria-current={place.value === name ? "page" : undefined}>{title}<Waits text={waits.value[name]} /></a>
            ))}
          </nav>
          <main aria-label={PLACES[place.value]!.title}>
            <Shown venue={venue} />
          </main>
        </div>
      )}
      {officer.value !== null && <ChangeDialog venue={venue} />}
    </div>
  );
}

function Waits({ text }: { text: string | undefined }) {
  return text === undefined ? null : <span class="waits" title="waits for somebody">{text}</span>;
}

function Head({ venue }: { venue: Venue }) {
  const leave = () => {
    keepCredentials(KEYS, []);
    officer.value = null;
    venue.logOut();
  };
  const isReady = readiness.value?.ready;
  return (
    <header class="console-head">
      <h1>Lionrock console</h1>
      <span class={isReady === undefined ? "dim" : isReady ? "up" : "down"} role="status">
        {isReady === undefined ? "…" : isReady ? "● takes orders" : `■ ${words(health.value?.state ?? "not ready")}: takes no orders`}
      </span>
      <span class="grows" />
      <span class="dim" title="Point at a time to see it in UTC">times: {zone(new Date())}</span>
      {officer.value !== null && <span><b>{officer.value.person}</b> <span class="dim">({officer.value.scopes.join(", ")})</span></span>}
      <button type="button" class="button small" onClick={switchTheme} aria-label={`Change to the ${theme.value === "dark" ? "light" : "dark"} theme`}>
        {theme.value === "dark" ? "Light" : "Dark"}
      </button>
      {officer.value !== null && <button type="button" class="button small" onClick={leave}>Log out</button>}
    </header>
  );
}
