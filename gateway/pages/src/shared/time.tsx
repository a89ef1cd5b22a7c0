import { dateTime, shortTime, utc } from "./times";

/** A moment in the viewer's zone, with UTC for who points at it. */
export function Time({ ms, withDate = false }: { ms: number; withDate?: boolean }) {
  return (
    <time dateTime={new Date(ms).toISOString()} title={utc(ms)}>
      {withDate ? dateTime(ms) : shortTime(ms, Date.now())}
    </time>
  );
}
