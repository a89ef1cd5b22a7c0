import { signal, type ReadonlySignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { Venue } from "../shared/venue";
import type { ClientSummary } from "./console_types";

/** So many clients are offered at a time: who is not among them is found by writing more of the name. */
const OFFERED = 50;
/** Nothing is asked for while a person writes on: each question is in the venue's log. */
const PAUSE_MS = 250;

/** Clients to choose from: those with what is being written in their name, or in that of an account of theirs. */
export class OfferedClients {
  readonly found = signal<ClientSummary[]>([]);
  private timer: ReturnType<typeof setTimeout> | undefined;
  private asked = 0;

  constructor(private readonly venue: Venue) {}

  /** Ask for the names that have this in them, unless more is written soon. Those of before stay until the answer. */
  write(part: string): void {
    clearTimeout(this.timer);
    const number = ++this.asked;
    this.timer = setTimeout(async () => {
      try {
        const found = await this.venue.call<ClientSummary[]>("venue/admin/list_clients", { name: part.trim(), count: OFFERED });
        if (number === this.asked) this.found.value = found;
      } catch {
        // It is a help for writing alone: the name can be written without it.
      }
    }, PAUSE_MS);
  }

  close(): void {
    clearTimeout(this.timer);
    this.asked += 1;
  }
}

/** What is offered for a field with this in it. */
export function useOfferedClients(venue: Venue, part: string): ReadonlySignal<ClientSummary[]> {
  const own = useMemo(() => new OfferedClients(venue), [venue]);
  useEffect(() => venue.whenLive(() => own.write(part)), [venue, own, part]);
  useEffect(() => () => own.close(), [own]);
  return own.found;
}
