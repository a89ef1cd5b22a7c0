/** Times in the viewer's zone; the same in UTC for who points at them. */

const two = (value: number) => String(value).padStart(2, "0");

/** 14:03:59 in the viewer's zone. */
export function clockTime(ms: number): string {
  const time = new Date(ms);
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

/** 2027-01-15 14:03:59 in the viewer's zone. */
export function dateTime(ms: number): string {
  const time = new Date(ms);
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${clockTime(ms)}`;
}

/** 14:03:59 today, 01-15 14:03 on another day. */
export function shortTime(ms: number, nowMs: number): string {
  const [date = "", time = ""] = dateTime(ms).split(" ");
  return date === dateTime(nowMs).split(" ")[0] ? time : `${date.slice(5)} ${time.slice(0, 5)}`;
}

/** 2027-01-15 14:03:59.250 UTC. */
export function utc(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 23).replace("T", " ")} UTC`;
}

/** The viewer's zone: UTC+08:00, UTC. */
export function zone(now: Date): string {
  const minutes = -now.getTimezoneOffset();
  if (minutes === 0) return "UTC";
  return `UTC${minutes < 0 ? "−" : "+"}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
}

/** How long until a moment: 3:07:59, or 07:59 within the hour. */
export function countdown(untilMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.ceil((untilMs - nowMs) / 1000));
  const hours = Math.floor(seconds / 3600);
  const rest = `${two(Math.floor((seconds % 3600) / 60))}:${two(seconds % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}
