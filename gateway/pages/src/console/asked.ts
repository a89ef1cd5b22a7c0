import { useSignal, type ReadonlySignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Params, Venue } from "../shared/venue";
import { changed } from "./state";

export interface Asked<T> {
  data: ReadonlySignal<T | null>;
  error: ReadonlySignal<string>;
}

/** What takes the venue long is asked for less often: it works on it for a tenth of the time at most. */
const REST = 9;

/** The answer of a method, asked for now, after every change of this page, and every so many ms while it is looked at. */
export function useAsked<T>(venue: Venue, method: string, params: Params, everyMs = 0): Asked<T> {
  const data = useSignal<T | null>(null);
  const error = useSignal("");
  const wanted = JSON.stringify(params);
  const after = changed.value;
  const answered = useRef(wanted);
  useLayoutEffect(() => {
    if (answered.current === wanted) return;
    answered.current = wanted;
    data.value = null; // the rows of another contract or client must not stand under the name of this one
    error.value = "";
  }, [wanted]);
  useEffect(() => {
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async () => {
      clearTimeout(timer);
      const begun = performance.now();
      if (document.visibilityState === "visible" || data.value === null) {
        try {
          const answer = await venue.call<T>(method, JSON.parse(wanted) as Params);
          if (isOver) return;
          data.value = answer;
          error.value = "";
        } catch (fault) {
          if (!isOver) error.value = (fault as Error).message;
        }
      }
      if (!isOver && everyMs > 0) timer = setTimeout(ask, Math.max(everyMs, REST * (performance.now() - begun)));
    };
    const leave = venue.whenLive(ask);
    return () => {
      isOver = true;
      leave();
      clearTimeout(timer);
    };
  }, [venue, method, wanted, everyMs, after]);
  return { data, error };
}
