import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { compact, percent, shown, tone } from "../shared/numbers";
import { switchTheme, theme } from "../shared/theme";
import { countdown, utc } from "../shared/times";
import { AccountMenu } from "./account_menu";
import { ContractPicker } from "./contract_picker";
import { isHelping } from "./help";
import { instrument, isHalted, priceDecimals, ticker, venue } from "./state";
import { changeWords, marketWords } from "./words";

const nowMs = signal(venue.nowMs);

/** The contract, its figures, and the state of market and connection. */
export function Header() {
  return (
    <header class="header">
      <h1 class="brand">
        <span aria-hidden="true">◆</span> Lionrock
      </h1>
      <ContractPicker />
      <Figures />
      <div class="header-end">
        <State />
        <button
          type="button"
          class="button small icon"
          aria-label={`change to ${theme.value === "dark" ? "light" : "dark"} colours`}
          onClick={switchTheme}
        >
          {theme.value === "dark" ? "☀" : "☾"}
        </button>
        <button
          type="button"
          class="button small icon help-button"
          aria-label="help and keys"
          onClick={() => (isHelping.value = true)}
        >
          ?
        </button>
        <AccountMenu />
      </div>
    </header>
  );
}

function Figures() {
  const now = ticker.value;
  const of = instrument.value;
  if (now === null || of === null) return <div class="facts" />;
  const price = (value: number | null | undefined) => shown(value, priceDecimals.value);
  return (
    <div class="facts" tabIndex={0} role="group" aria-label="figures of the contract">
      <dl>
        <Fact name="Mark" value={price(now.mark_price)} isLarge />
        <Fact name="Index" value={price(now.index_price)} />
        <Fact name="Last" value={price(now.last_price)} />
        <Fact
          name="24 h change"
          value={changeWords(now.stats.price_change)}
          tone={tone(now.stats.price_change)}
        />
        <Fact name="24 h high" value={price(now.stats.high)} />
        <Fact name="24 h low" value={price(now.stats.low)} />
        <Fact
          name="24 h volume"
          value={`${compact(now.stats.volume_notional)} ${of.quote_currency}`}
          hint={`${now.stats.volume} ${of.base_currency}`}
        />
        <Fact name="Open interest" value={`${compact(now.open_interest)} ${of.base_currency}`} />
        <Funding />
      </dl>
    </div>
  );
}

function Fact({
  name,
  value,
  tone: colour = "",
  hint,
  isLarge = false,
}: {
  name: string;
  value: string;
  tone?: string;
  hint?: string;
  isLarge?: boolean;
}) {
  return (
    <div title={hint} class={isLarge ? "large" : undefined}>
      <dt>{name}</dt>
      <dd class={colour}>{value}</dd>
    </div>
  );
}

function Funding() {
  useEffect(() => {
    const timer = setInterval(() => (nowMs.value = venue.nowMs), 1000);
    return () => clearInterval(timer);
  }, []);
  const now = ticker.value;
  if (now === null) return null;
  const next = now.next_funding_timestamp;
  return (
    <Fact
      name={next ? "Funding / next in" : "Funding (8 h)"}
      value={next ? `${percent(now.current_funding, 4)} / ${countdown(next, nowMs.value)}` : percent(now.funding_8h, 4)}
      tone={tone(now.current_funding)}
      hint={`above zero longs pay shorts${next ? `; next payment ${utc(next)}` : ""}`}
    />
  );
}

const CONNECTION = { connecting: "connecting", live: "live", lost: "connection lost, connecting again" };

/** The state of the market and of the connection, in words. */
function State() {
  const connection = venue.connection.value;
  const market = isHalted.value ? "halted" : (ticker.value?.market_state ?? "");
  const isGood = connection === "live" && (market === "open" || market === "");
  const words =
    connection !== "live"
      ? CONNECTION[connection]
      : isHalted.value
        ? "venue halted by its officers"
        : market === ""
          ? "live"
          : marketWords(market);
  return (
    <span
      class={`state ${isGood ? "good" : connection === "connecting" ? "" : "bad"}`}
      role="status"
      aria-label="state"
      title={words}
      data-connection={connection}
      data-market={market}
    >
      <span aria-hidden="true">{isGood ? "●" : "▲"}</span> <span class="words">{words}</span>
    </span>
  );
}
