import { expect, test } from "vitest";
import { amountTo, depthOf, middleOf, type DepthBook } from "./depth";

const book: DepthBook = { bids: [[99, 1], [98, 2], [90, 5]], asks: [[101, 3], [103, 1], [120, 9]] };

test("amounts are added up from the best price outwards, up to the end of the range", () => {
  expect(depthOf(book, 0.05)).toEqual({
    prices: [95, 98, 99, 101, 103, 105],
    bidAmounts: [3, 3, 1, null, null, null],
    askAmounts: [null, null, null, 3, 4, 4],
    range: [95, 105],
  });
});

test("a side that is empty has no depth", () => {
  expect(depthOf({ bids: [[99, 1]], asks: [] }, 0.5)).toMatchObject({ prices: [49.5, 99], bidAmounts: [1, 1] });
  expect(depthOf({ bids: [], asks: [] }, 0.5).prices).toEqual([]);
  expect(middleOf({ bids: [[99, 1]], asks: [] })).toBeNull();
});

test("what rests up to a price", () => {
  expect([90, 97, 98, 99.5, 100.5, 101, 110, 200].map((price) => amountTo(book, price))).toEqual([8, 3, 3, 0, 0, 3, 4, 13]);
});
