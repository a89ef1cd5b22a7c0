import { expect, test } from "vitest";
import { told, withUnit } from "./words";

test("a change is told without its reason, and without what is empty", () => {
  expect(told({ instrument_name: "BTC", state: "halted", reason: "x", weights: null })).toBe(
    "instrument name: BTC; state: halted",
  );
});

test("a value is told with its unit", () => {
  expect(withUnit("band_ppb", 25_000_000)).toBe("25000000 (2.5 %)");
  expect(withUnit("max_order_value_micros", 1_500_000_000)).toBe("1500000000 (1,500)");
  expect(withUnit("mark_tick_ns", 1_000_000_000)).toBe("1000000000 (1 s)");
  expect(withUnit("evidence_until_ns", 1_800_000_000_000_000_000)).toBe("before 2027-01-15T08:00:00.000Z");
  expect(withUnit("halted", "open")).toBe("open");
  expect(withUnit("band_ppb", null)).toBe("never set");
});
