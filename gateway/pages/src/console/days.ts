import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { summariesOf, type Summary } from "../shared/summaries";
import type { Venue } from "../shared/venue";
import type { Instrument } from "../shared/venue_types";
import { noteTicks } from "./prices";

const EVERY_MS = 2000;

/** The last 24 hours and the best prices of each contract, as the public market data say them. */
export function useDays(venue: Venue): Map<string, Summary> {
  const days = useSignal(new Map<string, Summary>());
  useEffect(() => {
    let isAsking = false;
    const ask = async () => {
      if (isAsking || document.visibilityState !== "visible") return;
      isAsking = true;
      try {
        const instruments = await venue.call<Instrument[]>("public/get_instruments");
        noteTicks(instruments);
        days.value = await summariesOf(venue, instruments);
      } finally {
        isAsking = false;
      }
    };
    const leave = venue.whenLive(ask);
    const timer = setInterval(() => void ask().catch(() => undefined), EVERY_MS); // the next one may be answered
    return () => {
      leave();
      clearInterval(timer);
    };
  }, [venue]);
  return days.value;
}
