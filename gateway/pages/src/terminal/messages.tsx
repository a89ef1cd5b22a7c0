import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { refusalWords } from "./words";

type Kind = "good" | "bad" | "info";

interface Message {
  id: number;
  kind: Kind;
  text: string;
  remedy: string;
}

const SHOWN_MS = { good: 6000, info: 12_000, bad: 20_000 };
const MOST = 4;
/** What is shown, the oldest first. */
export const messages = signal<Message[]>([]);
let nextId = 1;

/** Tell the user something in a corner of the page. Returns the message's id. */
export function say(kind: Kind, text: string, remedy = ""): number {
  const id = nextId++;
  messages.value = [...messages.value, { id, kind, text, remedy }].slice(-MOST);
  setTimeout(() => drop(id), SHOWN_MS[kind]);
  return id;
}

/** Tell why something did not happen, with what to do about it. */
export function sayRefusal(error: unknown): void {
  const { text, remedy } = refusalWords(error);
  say("bad", text, remedy);
}

/** Take a message away. */
export function drop(id: number): void {
  messages.value = messages.value.filter((message) => message.id !== id);
}

const SIGN = { good: "✓", bad: "!", info: "i" };

export function Messages() {
  const region = useRef<HTMLDivElement>(null);
  const shown = messages.value;
  useEffect(() => {
    region.current?.hidePopover();
    if (shown.length > 0) region.current?.showPopover(); // above a dialog that was opened before
  }, [shown]);
  return (
    <div role="status" aria-label="messages">
      <div ref={region} popover="manual" class="messages">
        {shown.map((message) => (
          <div key={message.id} class={`message ${message.kind}`}>
            <span class="sign" aria-hidden="true">
              {SIGN[message.kind]}
            </span>
            <div>
              <p>{message.text}</p>
              {message.remedy !== "" && <p class="dim">{message.remedy}</p>}
            </div>
            <button type="button" class="plain" aria-label="dismiss" onClick={() => drop(message.id)}>
              ✕
            </button>
          </div>
        ))}
      </div>
    </div>
  );
}
