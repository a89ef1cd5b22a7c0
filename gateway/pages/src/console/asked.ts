import { useSignal, type ReadonlySignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Params, Venue } from "../shared/venue";
import { changed } from "./state";

export interface Asked<T> {
  data: ReadonlySignal<T | null>;
  error: ReadonlySignal<string>;
  again(): void;
}

/** The answer of a method, asked for now, after every change of this page, and every so many ms while it is shown. */
export function useAsked<T>(venue: Venue, method: string, params: Params, everyMs = 0): Asked<T> {
  const data = useSignal<T | null>(null);
  const error = useSignal("");
  const wanted = JSON.stringify(params);
  const after = changed.value;
  let isOver = false;
  const ask = async () => {
    if (document.visibilityState !== "visible" && data.value !== null) return;
    try {
      const answer = await venue.call<T>(method, JSON.parse(wanted) as Params);
      if (isOver) return;
      data.value = answer;
      error.value = "";
    } catch (fault) {
      if (!isOver) error.value = (fault as Error).message;
    }
  };
  useEffect(() => {
    const leave = venue.whenLive(ask);
    const timer = everyMs > 0 ? setInterval(ask, everyMs) : undefined;
    return () => {
      isOver = true;
      leave();
      clearInterval(timer);
    };
  }, [venue, method, wanted, everyMs, after]);
  return { data, error, again: () => void ask() };
}
