import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { shown, signed, tone } from "../shared/numbers";
import { onPress } from "../shared/presses";
import { Time } from "../shared/time";
import type { Notice, Portfolio } from "../shared/venue_types";
import { say, sayRefusal } from "./messages";
import { instrumentName, isLoggedIn, notices, portfolio, venue } from "./state";
import { noticeWords, plain } from "./words";

/** The account: money, margin, whether it may open positions and why, disclosures, notices. */
export function AccountPanel() {
  if (!isLoggedIn.value) return null;
  return (
    <section class="panel account" aria-label="account">
      <div class="panel-head">
        <h2>Account</h2>
      </div>
      <div class="account-body">
        {portfolio.value === null ? <p class="dim">loading …</p> : <Money of={portfolio.value} />}
        <Admission />
        <Notices />
      </div>
    </section>
  );
}

function Money({ of }: { of: Portfolio }) {
  const money = (value: number) => shown(value, 2);
  return (
    <>
      <MarginBar of={of} />
      <dl class="pairs">
        <dt>Equity</dt>
        <dd data-field="equity">
          {money(of.equity)} {of.currency}
        </dd>
        <dt>Free</dt>
        <dd data-field="free">{money(of.available_funds)}</dd>
        <dt>Balance</dt>
        <dd>{money(of.balance)}</dd>
        <dt>Unrealised profit</dt>
        <dd class={tone(of.session_upl)}>{signed(of.session_upl, 2)}</dd>
        <dt>Initial margin</dt>
        <dd>{money(of.initial_margin)}</dd>
        <dt>Maintenance margin</dt>
        <dd>{money(of.maintenance_margin)}</dd>
        <dt>Can be withdrawn</dt>
        <dd>{money(of.available_withdrawal_funds)}</dd>
      </dl>
    </>
  );
}

/** How much of the equity the margins take: liquidation begins where maintenance margin takes all of it. */
function MarginBar({ of }: { of: Portfolio }) {
  const share = (margin: number) => (of.equity > 0 ? Math.min(100, (100 * margin) / of.equity) : margin > 0 ? 100 : 0);
  const maintenance = share(of.maintenance_margin);
  const level = maintenance >= 80 ? "hot" : maintenance >= 50 ? "warm" : "";
  return (
    <div class="margin">
      <div class="margin-words">
        <span>Margin used</span>
        <span class={level === "" ? "" : "warn"}>
          {shown(share(of.initial_margin), 1)} % initial · {shown(maintenance, 1)} % maintenance
        </span>
      </div>
      <div
        class={`margin-bar ${level}`}
        role="meter"
        aria-label="maintenance margin in per cent of equity"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(maintenance)}
      >
        <i class="initial" style={{ width: `${share(of.initial_margin)}%` }} />
        <i class="maintenance" style={{ width: `${maintenance}%` }} />
      </div>
    </div>
  );
}

interface Rule {
  reason: string;
  met: boolean;
  meaning: string;
  remedy: string;
  detail: string;
}

interface Answer {
  may_open: boolean;
  rules: Rule[];
}

interface Disclosure {
  disclosure: string;
  version: number;
  is_required: boolean;
  hash: string;
  text: string;
}

const REFRESH_MS = 10_000;
const admission = signal<Answer | null>(null);

async function loadAdmission(): Promise<void> {
  if (!isLoggedIn.peek() || instrumentName.peek() === "") return;
  try {
    admission.value = await venue.call<Answer>("venue/get_admission", { instrument_name: instrumentName.peek() });
  } catch {
    admission.value = null;
  }
}

/** Whether the account may open positions; each rule that fails in words, with what to do. */
function Admission() {
  const showsAll = useSignal(false);
  useEffect(() => {
    void loadAdmission();
    const timer = setInterval(() => void loadAdmission(), REFRESH_MS);
    return () => clearInterval(timer);
  }, [instrumentName.value, notices.value]);
  const now = admission.value;
  if (now === null) return null;
  const failing = now.rules.filter((rule) => !rule.met);
  return (
    <div class="admission" role="group" aria-label="admission">
      <h3 class={now.may_open ? "up" : "warn"}>
        {now.may_open ? "✓ May open positions" : "! May not open positions: only reduce"}
      </h3>
      {failing.map((rule) => (
        <FailingRule key={rule.reason} rule={rule} />
      ))}
      <button
        type="button"
        class="plain dim"
        aria-expanded={showsAll.value}
        onClick={() => (showsAll.value = !showsAll.value)}
      >
        {showsAll.value ? "▾" : "▸"} All {now.rules.length} rules
      </button>
      {showsAll.value && (
        <ul class="rules">
          <li class="dim">Each of these would stop you from opening positions:</li>
          {now.rules.map((rule) => (
            <li key={rule.reason}>
              <span class={rule.met ? "up" : "warn"}>{rule.met ? "✓ no" : "! yes"}</span>{" "}
              {plain(rule.reason)} <span class="dim">{rule.detail}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function FailingRule({ rule }: { rule: Rule }) {
  return (
    <div class="failing">
      <p>{rule.meaning}</p>
      {rule.detail !== "" && <p class="dim">{rule.detail}</p>}
      {rule.remedy !== "" && (
        <p>
          <strong>What to do:</strong> {rule.remedy}
        </p>
      )}
      {/DISCLOSURE|ACKNOWLEDG/.test(rule.reason) && <Disclosures />}
    </div>
  );
}

/** The texts that the account has to acknowledge, and the button that does it. */
function Disclosures() {
  const texts = useSignal<Disclosure[]>([]);
  useEffect(() => {
    venue
      .call<Disclosure[]>("venue/get_disclosures")
      .then((found) => (texts.value = found.filter((one) => one.is_required)))
      .catch(sayRefusal);
  }, []);
  const acknowledge = async (one: Disclosure) => {
    try {
      await venue.call("venue/acknowledge_disclosure", {
        disclosure: one.disclosure,
        version: one.version,
        hash: one.hash,
      });
      say("good", `Acknowledged: ${one.disclosure}, version ${one.version}`);
      await loadAdmission();
    } catch (error) {
      sayRefusal(error);
    }
  };
  return (
    <>
      {texts.value.map((one) => (
        <details key={`${one.disclosure}/${one.version}`} class="disclosure">
          <summary>
            {one.disclosure}, version {one.version}
          </summary>
          <p>{one.text}</p>
          <button type="button" class="button primary small" {...onPress(() => void acknowledge(one))}>
            I have read this and acknowledge it
          </button>
        </details>
      ))}
    </>
  );
}

function Notices() {
  if (notices.value.length === 0) return null;
  return (
    <div role="group" aria-label="notices">
      <h3>Notices</h3>
      <ul class="notices">
        {notices.value.map((notice: Notice) => (
          <li
            key={`${notice.timestamp}/${notice.type}/${notice.reason}`}
            class={notice.type === "lapse_warning" ? "" : "warn"}
          >
            <Time ms={notice.timestamp} withDate />
            <p>{noticeWords(notice)}</p>
          </li>
        ))}
      </ul>
    </div>
  );
}
