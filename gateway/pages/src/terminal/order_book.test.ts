import { describe, expect, it } from "vitest";
import { bookRows, groupPrice, groupSizes, OrderBook } from "./order_book";

const snapshot = {
  type: "snapshot" as const,
  timestamp: 1,
  change_id: 5,
  bids: [
    ["new", 10, 2],
    ["new", 9.5, 1],
  ] as ["new", number, number][],
  asks: [
    ["new", 10.5, 3],
    ["new", 12, 4],
  ] as ["new", number, number][],
};
const change = (prev: number, id: number, bids: ["new" | "change" | "delete", number, number][]) => ({
  type: "change" as const,
  timestamp: 2,
  prev_change_id: prev,
  change_id: id,
  bids,
  asks: [],
});

describe("the chain of a book", () => {
  it("takes a snapshot and the changes that follow it, best level first", () => {
    const book = new OrderBook();
    expect(book.apply(snapshot)).toBe(true);
    expect(
      book.apply(
        change(5, 9, [
          ["delete", 10, 0],
          ["change", 9.5, 7],
          ["new", 9.75, 1],
        ]),
      ),
    ).toBe(true);
    expect(book.view()).toEqual({
      changeId: 9,
      bids: [
        [9.75, 1],
        [9.5, 7],
      ],
      asks: [
        [10.5, 3],
        [12, 4],
      ],
    });
  });

  it("asks for a snapshot after a gap and takes no change before it", () => {
    const book = new OrderBook();
    book.apply(snapshot);
    expect(book.apply(change(6, 7, []))).toBe(false);
    expect(book.apply(change(5, 9, []))).toBe(false);
    expect(book.apply(snapshot)).toBe(true);
    expect(book.apply(change(5, 9, []))).toBe(true);
  });

  it("has no book before the first snapshot", () => {
    expect(new OrderBook().apply(change(5, 9, []))).toBe(false);
  });
});

describe("groups of prices", () => {
  it("round bids down and asks up, so that no group looks better than its orders", () => {
    expect(groupPrice(60001.5, "bids", 0.5, 10)).toBe(60000);
    expect(groupPrice(60001.5, "asks", 0.5, 10)).toBe(60005);
    expect(groupPrice(60000, "asks", 0.5, 10)).toBe(60000);
    expect(groupPrice(0.3, "bids", 0.1, 1)).toBe(0.3);
  });

  it("gather amounts and add up totals", () => {
    const levels: [number, number][] = [
      [10.4, 1],
      [10.2, 2],
      [9.9, 4],
    ];
    expect(bookRows(levels, "bids", 0.1, 10, 5)).toEqual([
      { price: 10, amount: 3, total: 3 },
      { price: 9, amount: 4, total: 7 },
    ]);
  });

  it("show no more rows than there is room for, the last one whole", () => {
    const levels: [number, number][] = [
      [10, 1],
      [9, 2],
      [8.5, 3],
      [8.2, 4],
      [7, 5],
    ];
    expect(bookRows(levels, "bids", 0.1, 10, 3)).toEqual([
      { price: 10, amount: 1, total: 1 },
      { price: 9, amount: 2, total: 3 },
      { price: 8, amount: 7, total: 10 },
    ]);
  });

  it("are one, two and five ticks and so on, and stay small against the price", () => {
    expect(groupSizes(0.5, 60000)).toEqual([1, 2, 5, 10, 20, 50, 100, 200, 500]);
    expect(groupSizes(1, 10)).toEqual([1]);
  });
});
