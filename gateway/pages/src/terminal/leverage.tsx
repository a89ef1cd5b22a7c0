import { useSignal } from "@preact/signals";
import { Dialog } from "../shared/dialog";
import { onPress } from "../shared/presses";
import type { Instrument } from "../shared/venue_types";
import { setLeverage } from "./actions";
import { leverage, loadLeverage } from "./ticket_state";

/** Shows the leverage of a contract and changes it. */
export function LeverageButton({ of }: { of: Instrument }) {
  const isOpen = useSignal(false);
  if (leverage.value === null) return null;
  return (
    <>
      <button
        type="button"
        class="button small"
        aria-label={`leverage ${leverage.value.leverage}, change`}
        onClick={() => (isOpen.value = true)}
      >
        {leverage.value.leverage}×
      </button>
      {isOpen.value && (
        <LeverageDialog
          of={of}
          now={leverage.value.leverage}
          most={leverage.value.max_leverage}
          onClose={() => (isOpen.value = false)}
        />
      )}
    </>
  );
}

function LeverageDialog({ of, now, most, onClose }: { of: Instrument; now: number; most: number; onClose(): void }) {
  const chosen = useSignal(now);
  const set = async () => {
    if (await setLeverage(of.instrument_name, chosen.peek())) {
      await loadLeverage(of.instrument_name);
      onClose();
    }
  };
  return (
    <Dialog title={`Leverage of ${of.instrument_name}`} onClose={onClose}>
      <p class="dim">
        The initial margin of this contract's position and orders is their value divided by the leverage.
      </p>
      <label class="field">
        <span>
          Leverage: {chosen.value}× of at most {most}×
        </span>
        <input
          type="range"
          min={1}
          max={most}
          step={1}
          value={chosen.value}
          onInput={(event) => (chosen.value = Number(event.currentTarget.value))}
        />
      </label>
      <div class="dialog-actions">
        <button type="button" class="button" onClick={onClose}>
          Go back
        </button>
        <button type="button" class="button primary" {...onPress(() => void set())}>
          Set {chosen.value}×
        </button>
      </div>
    </Dialog>
  );
}
