import { useComputed, useSignal, type ReadonlySignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Params, Venue } from "../shared/venue";
import { changed, REST } from "./state";

export interface Asked<T> {
  data: ReadonlySignal<T | null>;
  error: ReadonlySignal<string>;
}

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

/** The way through a list that comes in pages. */
export interface Pages<Row> {
  isFirst: boolean;
  hasMore: boolean;
  first(): void;
  next(): void;
  /** Every row from the first page on, for a file. */
  all(): Promise<Row[]>;
}

export interface Paged<Row> extends Asked<Row[]> {
  pages: Pages<Row>;
}

/** One page of a method's answer, whose rows stand under `name`; the page behind it is asked for by `continuation`. */
export function usePages<Row>(venue: Venue, method: string, name: string, params: Params, everyMs = 0): Paged<Row> {
  type Page = Record<string, Row[]> & { continuation: string | null };
  const about = JSON.stringify(params);
  const place = useSignal<{ about: string; continuation: string | null }>({ about, continuation: null });
  const continuation = place.value.about === about ? place.value.continuation : null; // other rows begin at their first page
  const asked = useAsked<Page>(venue, method, continuation === null ? params : { ...params, continuation }, everyMs);
  const data = useComputed(() => asked.data.value?.[name] ?? null);
  const next = asked.data.value?.continuation ?? null;
  const all = async () => {
    const rows: Row[] = [];
    for (let behind: string | null = null, isFirst = true; isFirst || behind !== null; isFirst = false) {
      const page: Page = await venue.call<Page>(method, { ...params, count: MOST, ...(behind === null ? {} : { continuation: behind }) });
      rows.push(...page[name]!);
      behind = page.continuation;
    }
    return rows;
  };
  const go = (to: string | null) => (place.value = { about, continuation: to });
  return {
    data,
    error: asked.error,
    pages: { isFirst: continuation === null, hasMore: next !== null, first: () => go(null), next: () => next !== null && go(next), all },
  };
}

/** The most rows that a page may have. */
const MOST = 1000;
