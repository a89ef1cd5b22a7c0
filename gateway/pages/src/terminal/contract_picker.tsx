import { signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { compact, decimalsOf, percent, shown } from "../shared/numbers";
import { Dialog } from "../shared/dialog";
import { chooseInstrument } from "./market_feed";
import { instrumentName, instruments, venue } from "./state";
import { plain } from "./words";

interface Summary {
  instrument_name: string;
  last: number | null;
  mark_price: number | null;
  price_change: number | null;
  volume_notional?: number;
  volume_usd?: number;
  open_interest: number;
}

const REFRESH_MS = 2000;
/** Whether the list of contracts is open. */
export const isPicking = signal(false);

export function ContractPicker() {
  return (
    <>
      <button
        type="button"
        class="button contract"
        aria-haspopup="dialog"
        aria-label={`contract ${instrumentName.value}, change`}
        onClick={() => (isPicking.value = true)}
      >
        <strong>{instrumentName.value || "no contract"}</strong> <span aria-hidden="true">▾</span>
      </button>
      {isPicking.value && <Contracts onClose={() => (isPicking.value = false)} />}
    </>
  );
}

/** Every contract with its day, found by its name. */
function Contracts({ onClose }: { onClose(): void }) {
  const search = useSignal("");
  const days = useSignal(new Map<string, Summary>());
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    input.current?.focus();
    const load = async () => {
      const currencies = [...new Set(instruments.value.map((one) => one.settlement_currency))];
      const lists = await Promise.all(
        currencies.map((currency) => venue.call<Summary[]>("public/get_book_summary_by_currency", { currency })),
      );
      days.value = new Map(lists.flat().map((one) => [one.instrument_name, one]));
    };
    const keep = () => void load().catch(() => undefined);
    keep();
    const timer = setInterval(keep, REFRESH_MS);
    return () => clearInterval(timer);
  }, []);
  const wanted = search.value.trim().toLowerCase();
  const found = instruments.value.filter((one) => one.instrument_name.toLowerCase().includes(wanted));
  const pick = (name: string) => {
    chooseInstrument(name);
    onClose();
  };
  return (
    <Dialog title="Contracts" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (found[0]) pick(found[0].instrument_name);
        }}
      >
        <input
          ref={input}
          class="input"
          type="search"
          aria-label="search contracts"
          placeholder="Search"
          value={search.value}
          onInput={(event) => (search.value = event.currentTarget.value)}
        />
      </form>
      {found.length === 0 ? (
        <p class="empty">No contract is called like that.</p>
      ) : (
        <table class="table" aria-label="contracts">
          <thead>
            <tr>
              <th scope="col">Contract</th>
              <th scope="col" class="number">
                Last
              </th>
              <th scope="col" class="number">
                24 h
              </th>
              <th scope="col" class="number">
                Volume
              </th>
            </tr>
          </thead>
          <tbody>
            {found.map((one) => {
              const day = days.value.get(one.instrument_name);
              const change = day?.price_change ?? null;
              return (
                <tr
                  key={one.instrument_name}
                  aria-current={one.instrument_name === instrumentName.value ? "true" : undefined}
                >
                  <td>
                    <button type="button" class="plain two-lines" onClick={() => pick(one.instrument_name)}>
                      <strong>{one.base_currency}</strong>
                      <span class="dim">
                        {one.instrument_name} · up to {one.max_leverage}×
                        {one.state === "open" ? "" : ` · ${plain(one.state)}`}
                      </span>
                    </button>
                  </td>
                  <td class="number">{shown(day?.last ?? day?.mark_price, decimalsOf(one.tick_size))}</td>
                  <td class={`number ${change === null || change === 0 ? "" : change > 0 ? "up" : "down"}`}>
                    {change === null ? "–" : percent(change / 100)}
                  </td>
                  <td class="number">{compact(day?.volume_notional ?? day?.volume_usd)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
    </Dialog>
  );
}
