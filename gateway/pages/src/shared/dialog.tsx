import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

/** A modal dialog of the browser: the focus stays inside, Escape and the close button end it. */
export function Dialog({ title, onClose, children }: { title: string; onClose(): void; children: ComponentChildren }) {
  const shown = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    shown.current?.showModal();
  }, []);
  return (
    <dialog ref={shown} aria-label={title} onClose={onClose}>
      <div class="dialog-head">
        <h2>{title}</h2>
        <button type="button" class="button small" aria-label="close" onClick={() => shown.current?.close()}>
          ✕
        </button>
      </div>
      <div class="dialog-body">{children}</div>
    </dialog>
  );
}
