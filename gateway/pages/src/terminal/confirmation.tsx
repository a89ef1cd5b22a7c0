import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { Dialog } from "../shared/dialog";
import { onPress } from "../shared/presses";
import type { Direction } from "../shared/venue_types";

interface Question {
  title: string;
  lines: string[];
  action: string;
  /** Colours the button of an order. */
  direction?: Direction;
  more?: ComponentChildren;
}

const asked = signal<(Question & { answer(isMeant: boolean): void }) | null>(null);

/** Ask before something is done. False when the user goes back, and when another question is open. */
export function ask(question: Question): Promise<boolean> {
  if (asked.value !== null) return Promise.resolve(false);
  return new Promise((resolve) => {
    asked.value = {
      ...question,
      answer: (isMeant) => {
        asked.value = null;
        resolve(isMeant);
      },
    };
  });
}

const colour = { buy: "up-button", sell: "down-button" };

export function Confirmation() {
  const question = asked.value;
  if (question === null) return null;
  return (
    <Dialog title={question.title} onClose={() => question.answer(false)}>
      {question.lines.map((line) => (
        <p key={line}>{line}</p>
      ))}
      {question.more}
      <div class="dialog-actions">
        <button type="button" class="button" {...onPress(() => question.answer(false))}>
          Go back
        </button>
        <button
          type="button"
          class={`button ${question.direction ? colour[question.direction] : "primary"}`}
          {...onPress(() => question.answer(true))}
        >
          {question.action}
        </button>
      </div>
    </Dialog>
  );
}
