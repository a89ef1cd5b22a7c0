// Moving an order's line: where it is while it is dragged, and until the venue has answered.

import { computed, signal, type ReadonlySignal } from "@preact/signals";
import type { Order } from "../../shared/venue_types";
import { canMove, linesOf, movedByTicks, onTick, type MovedField, type OrderLine } from "./order_lines";

export type Amend = (order: Order, field: MovedField, price: string) => Promise<void>;

/** A line with the price at which it is drawn. */
export interface DrawnLine {
  line: OrderLine;
  price: number;
  phase: "at rest" | "moving" | "sent";
}

interface Move {
  price: string;
  phase: "moving" | "sent";
}

export class MovableLines {
  /** The lines as they are to be drawn now. */
  readonly drawn: ReadonlySignal<DrawnLine[]>;
  private readonly moves = signal<ReadonlyMap<string, Move>>(new Map());

  constructor(
    orders: ReadonlySignal<readonly Order[]>,
    private readonly instrument: string,
    private readonly tickSize: number,
    private readonly amend: Amend,
  ) {
    const lines = computed(() => linesOf(orders.value.filter((order) => order.instrument_name === this.instrument)));
    this.drawn = computed(() =>
      lines.value.map((line) => {
        const move = this.moves.value.get(line.id);
        return move ? { line, price: Number(move.price), phase: move.phase } : { line, price: line.price, phase: "at rest" };
      }),
    );
  }

  /** The drawn line with this id; undefined when its order is gone. */
  find(id: string): DrawnLine | undefined {
    return this.drawn.value.find(({ line }) => line.id === id);
  }

  /** Whether it can be moved now: not while an earlier move waits for its answer. */
  isMovable(drawn: DrawnLine): boolean {
    return drawn.phase !== "sent" && canMove(drawn.line);
  }

  /** Move a line to the tick nearest to a price; nothing is sent yet. */
  moveTo(id: string, price: number): void {
    this.set(id, { price: onTick(price, this.tickSize), phase: "moving" });
  }

  moveByTicks(id: string, ticks: number): void {
    const drawn = this.find(id);
    if (!drawn || !this.isMovable(drawn)) return;
    this.set(id, { price: movedByTicks(onTick(drawn.price, this.tickSize), ticks, this.tickSize), phase: "moving" });
  }

  /** Put a line that was not sent back to where its order is. */
  putBack(id: string): void {
    if (this.moves.value.get(id)?.phase === "moving") this.set(id, null);
  }

  /** Amend the order to where its line was moved. One that is refused, or not confirmed, goes back to its place. */
  async send(id: string): Promise<void> {
    const drawn = this.find(id);
    const move = this.moves.value.get(id);
    if (!drawn || move?.phase !== "moving") return;
    if (Number(move.price) === drawn.line.price) {
      this.set(id, null);
      return;
    }
    this.set(id, { ...move, phase: "sent" });
    try {
      await this.amend(drawn.line.order, drawn.line.field, move.price);
    } catch {
      // Whoever amends has said why.
    } finally {
      this.set(id, null);
    }
  }

  private set(id: string, move: Move | null): void {
    const moves = new Map(this.moves.value);
    if (move) moves.set(id, move);
    else moves.delete(id);
    this.moves.value = moves;
  }
}
