import { useSignal, type ReadonlySignal } from "@preact/signals";

export interface Once {
  /** Do it unless the one before is still under way; `fault` says why it failed. */
  once(step: () => Promise<void>): Promise<void>;
  isBusy: ReadonlySignal<boolean>;
  fault: ReadonlySignal<string>;
}

/** One request for one press, however often the button is pressed. */
export function useOnce(wordsOf: (error: unknown) => string = (error) => (error as Error).message): Once {
  const isBusy = useSignal(false);
  const fault = useSignal("");
  const once = async (step: () => Promise<void>) => {
    if (isBusy.peek()) return;
    isBusy.value = true;
    fault.value = "";
    try {
      await step();
    } catch (error) {
      fault.value = wordsOf(error);
    } finally {
      isBusy.value = false;
    }
  };
  return { once, isBusy, fault };
}
