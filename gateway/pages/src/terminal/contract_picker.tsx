import { signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Dialog } from "../shared/dialog";
import { compact, decimalsOf, shown, tone } from "../shared/numbers";
import { summariesOf, type Summary } from "../shared/summaries";
import { DataTable } from "../shared/table";
import type { Instrument } from "../shared/venue_types";
import { chooseInstrument } from "./market_feed";
import { instrumentName, instruments, venue } from "./state";
import { changeWords, plain } from "./words";

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
    const load = async () => (days.value = await summariesOf(venue, instruments.value));
    const keep = () => void load().catch(() => undefined);
    keep();
    const timer = setInterval(keep, REFRESH_MS);
    return () => clearInterval(timer);
  }, []);
  const wanted = search.value.trim().toLowerCase();
  const found = instruments.value.filter((one) => one.instrument_name.toLowerCase().includes(wanted));
  const day = (one: Instrument) => days.value.get(one.instrument_name);
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
      <DataTable
        kind="table"
        label="contracts"
        rows={found}
        keyOf={(one) => one.instrument_name}
        empty="No contract is called like that."
        attributes={(one) => ({ "aria-current": one.instrument_name === instrumentName.value ? "true" : undefined })}
        columns={[
          { head: "Contract", cell: (one) => <Contract of={one} onPick={pick} /> },
          {
            head: "Last",
            isNumber: true,
            cell: (one) => shown(day(one)?.last ?? day(one)?.mark_price, decimalsOf(one.tick_size)),
          },
          {
            head: "24 h",
            isNumber: true,
            cell: (one) => <span class={tone(day(one)?.price_change)}>{changeWords(day(one)?.price_change)}</span>,
          },
          {
            head: "Volume",
            isNumber: true,
            cell: (one) => compact(day(one)?.volume_notional),
          },
        ]}
      />
    </Dialog>
  );
}

function Contract({ of, onPick }: { of: Instrument; onPick(name: string): void }) {
  return (
    <button type="button" class="plain two-lines" onClick={() => onPick(of.instrument_name)}>
      <strong>{of.base_currency}</strong>
      <span class="dim">
        {of.instrument_name} · up to {of.max_leverage}×{of.state === "open" ? "" : ` · ${plain(of.state)}`}
      </span>
    </button>
  );
}
