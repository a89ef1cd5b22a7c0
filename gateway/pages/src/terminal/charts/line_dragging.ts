// Dragging an order's line with the pointer: by its label, or with a mouse anywhere on the line.

import type { MovableLines } from "./movable_lines";
import type { PriceView } from "./price_view";

const GRAB_PX = 5;

export class LineDragging {
  private grabbed: { id: string; pointer: number; offset: number } | null = null;

  /** `host` holds the chart; prices count from its top. */
  constructor(
    private readonly host: HTMLElement,
    private readonly view: PriceView,
    private readonly lines: MovableLines,
    private readonly areLinesShown: () => boolean,
  ) {
    const options = { signal: this.ending.signal, capture: true };
    host.addEventListener("pointerdown", (event) => this.press(event), options);
    host.addEventListener("pointermove", (event) => this.move(event), options);
    host.addEventListener("pointerup", (event) => this.release(event), options);
    host.addEventListener("pointercancel", () => this.abandon(), options);
    host.addEventListener("keydown", (event) => this.key(event), options);
  }

  private readonly ending = new AbortController();

  end(): void {
    this.abandon();
    this.ending.abort();
  }

  /** Begin to drag a line: from its label, or from where the mouse was pressed on it. */
  grab(event: PointerEvent, id: string): void {
    const drawn = this.lines.find(id);
    const y = drawn && this.view.yOf(drawn.price);
    if (!drawn || y == null || event.button !== 0 || !this.lines.isMovable(drawn)) return;
    this.grabbed = { id, pointer: event.pointerId, offset: this.yOf(event) - y };
    this.host.setPointerCapture(event.pointerId);
    this.view.setMoving(false);
    this.host.classList.add("dragging");
  }

  private press(event: PointerEvent): void {
    const id = event.pointerType === "mouse" && isOnCanvas(event) ? this.lineAt(this.yOf(event)) : null;
    if (id !== null) this.grab(event, id);
  }

  private move(event: PointerEvent): void {
    if (this.grabbed === null) {
      this.host.classList.toggle("on-line", isOnCanvas(event) && this.lineAt(this.yOf(event)) !== null);
      return;
    }
    if (event.pointerId !== this.grabbed.pointer) return;
    const y = Math.min(Math.max(this.yOf(event) - this.grabbed.offset, 0), this.view.height);
    const price = this.view.priceAt(y);
    if (price !== null) this.lines.moveTo(this.grabbed.id, price);
  }

  private release(event: PointerEvent): void {
    if (this.grabbed === null || event.pointerId !== this.grabbed.pointer) return;
    const { id } = this.grabbed;
    this.letGo();
    void this.lines.send(id);
  }

  private key(event: KeyboardEvent): void {
    if (event.key !== "Escape" || this.grabbed === null) return;
    event.stopPropagation();
    this.abandon();
  }

  private abandon(): void {
    if (this.grabbed === null) return;
    const { id } = this.grabbed;
    this.letGo();
    this.lines.putBack(id);
  }

  private letGo(): void {
    if (this.grabbed && this.host.hasPointerCapture(this.grabbed.pointer)) this.host.releasePointerCapture(this.grabbed.pointer);
    this.grabbed = null;
    this.view.setMoving(true);
    this.host.classList.remove("dragging");
  }

  private yOf(event: PointerEvent): number {
    return event.clientY - this.host.getBoundingClientRect().top;
  }

  private lineAt(y: number): string | null {
    if (!this.areLinesShown()) return null;
    let nearest: string | null = null;
    let distance = GRAB_PX + 1;
    for (const drawn of this.lines.drawn.peek()) {
      const at = this.view.yOf(drawn.price);
      if (at === null || !this.lines.isMovable(drawn) || Math.abs(at - y) >= distance) continue;
      distance = Math.abs(at - y);
      nearest = drawn.line.id;
    }
    return nearest;
  }
}

function isOnCanvas(event: PointerEvent): boolean {
  return event.target instanceof HTMLCanvasElement;
}
