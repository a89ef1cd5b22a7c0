import { expect, test } from "vitest";
import type { Instrument } from "../shared/venue_types";
import { noteTicks, priceText } from "./prices";

test("a price has its contract's decimals, and what it has where the contract is not known", () => {
  noteTicks([{ instrument_name: "A", tick_size: 0.00001 }, { instrument_name: "B", tick_size: 0.5 }] as Instrument[]);
  expect(priceText("A", 0.2019)).toBe("0.20190");
  expect(priceText("B", 62177.067)).toBe("62,177.1");
  expect(priceText("C", 62177.067)).toBe("62,177.067");
  expect(priceText("B", null)).toBe("–");
});
