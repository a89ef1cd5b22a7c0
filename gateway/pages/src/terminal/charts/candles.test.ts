import { describe, expect, test } from "vitest";
import { candlesOf, extend, following, indexAt, prepended, quietSince, type Candle } from "./candles";

const MINUTE = 60_000;
const at = (minute: number, close: number, volume = 1): Candle => ({
  timeMs: minute * MINUTE, open: close, high: close, low: close, close, volume,
});

test("the columns of an answer become candles", () => {
  const data = { ticks: [60_000], open: [1], high: [4], low: [0.5], close: [2], volume: [7] };
  expect(candlesOf(data)).toEqual([{ timeMs: 60_000, open: 1, high: 4, low: 0.5, close: 2, volume: 7 }]);
});

describe("a candle that is heard", () => {
  test("replaces the last one of the same time", () => {
    const candles = [at(1, 10), at(2, 11)];
    extend(candles, following(candles, at(2, 12), MINUTE));
    expect(candles).toEqual([at(1, 10), at(2, 12)]);
  });

  test("comes after flat ones where nothing was traded", () => {
    const candles = [at(1, 10)];
    extend(candles, following(candles, at(4, 12), MINUTE));
    expect(candles).toEqual([at(1, 10), at(2, 10, 0), at(3, 10, 0), at(4, 12)]);
  });

  test("changes nothing when it is older than the last one", () => {
    expect(following([at(1, 10), at(2, 11)], at(1, 9), MINUTE)).toEqual([]);
  });

  test("is the first one of an empty chart", () => {
    expect(following([], at(3, 9), MINUTE)).toEqual([at(3, 9)]);
  });
});

test("a newer answer replaces what overlaps and keeps what is before", () => {
  const candles = [at(1, 10), at(2, 11), at(3, 12)];
  extend(candles, [at(2, 20), at(3, 21), at(4, 22)]);
  expect(candles).toEqual([at(1, 10), at(2, 20), at(3, 21), at(4, 22)]);
});

test("an older page goes in front, without what is there already", () => {
  expect(prepended([at(1, 10), at(2, 11)], [at(2, 99), at(3, 12)])).toEqual([at(1, 10), at(2, 99), at(3, 12)]);
  expect(prepended([at(1, 10)], [])).toEqual([at(1, 10)]);
});

test("time goes on without a trade", () => {
  expect(quietSince([at(1, 10)], 3.5 * MINUTE, MINUTE)).toEqual([at(2, 10, 0), at(3, 10, 0)]);
  expect(quietSince([at(1, 10)], 1.9 * MINUTE, MINUTE)).toEqual([]);
  expect(quietSince([], 1.9 * MINUTE, MINUTE)).toEqual([]);
});

test("the candle of a time is the one that holds it", () => {
  const candles = [at(1, 10), at(2, 11), at(4, 12)];
  expect([0.9, 1, 1.9, 2, 3.9, 4, 99].map((minute) => indexAt(candles, minute * MINUTE))).toEqual([-1, 0, 0, 1, 1, 2, 2]);
});
