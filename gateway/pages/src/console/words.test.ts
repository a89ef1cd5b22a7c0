import { expect, test } from "vitest";
import { told, withUnit } from "./words";

test("a change is told without its reason, and without what is empty", () => {
  expect(told({ instrument_name: "BTC", state: "halted", reason: "x", weights: null })).toBe(
    "instrument name: BTC; state: halted",
  );
});

test("a value is told with its unit", () => {
  expect(withUnit("band_ppb", 25_000_000)).toBe("2.5 % (25,000,000 ppb)");
  expect(withUnit("max_order_value_micros", 1_500_000_000)).toBe("1,500 (1,500,000,000 micros)");
  expect(withUnit("mark_tick_ns", 1_000_000_000)).toBe("1 s (1,000,000,000 ns)");
  expect(withUnit("evidence_until_ns", 1_800_000_000_000_000_000)).toBe("before 2027-01-15T08:00:00.000Z");
  expect(withUnit("evidence_until_ns", "1800000000000000000")).toBe("before 2027-01-15T08:00:00.000Z");
  expect(withUnit("max_open_interest_lots", "9007199254740993")).toBe("9,007,199,254,740,993");
  expect(withUnit("halted", "open")).toBe("open");
  expect(withUnit("band_ppb", null)).toBe("never set");
});
