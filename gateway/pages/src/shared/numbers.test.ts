import { describe, expect, it } from "vitest";
import {
  amountText,
  compact,
  decimalsOf,
  decimalText,
  fromUnits,
  isOnStep,
  money,
  onStep,
  percent,
  shown,
  signed,
  toUnits,
  written,
} from "./numbers";

describe("numbers that are shown", () => {
  it("have separators and the decimals of their step", () => {
    expect(shown(1234567.5, 2)).toBe("1,234,567.50");
    expect(shown(999, 0)).toBe("999");
    expect(amountText(-4508430)).toBe("−4,508,430");
    expect(amountText(328.42)).toBe("328.42");
    expect(amountText(0.1 + 0.2)).toBe("0.3");
    expect(amountText(1e-7)).toBe("0.0000001");
    expect(amountText(null)).toBe("–");
    expect(shown(-1234.5, 1)).toBe("−1,234.5");
    expect(shown(-0.001, 2)).toBe("0.00");
    expect(shown(null, 2)).toBe("–");
    expect(shown(0.0000001, 7)).toBe("0.0000001");
  });

  it("say their sign where a gain is told from a loss", () => {
    expect(signed(1.5, 2)).toBe("+1.50");
    expect(signed(-1.5, 2)).toBe("−1.50");
    expect(signed(0.001, 2)).toBe("0.00");
    expect(percent(0.0001, 4)).toBe("+0.0100 %");
  });

  it("are whole where they are money: a fee in a cheap contract is not 0.00", () => {
    expect([10, 0.5, 0.000512, 0.0000004, 1234.1234567, -0.00002, null].map(money)).toEqual(
      ["10.00", "0.50", "0.000512", "0.00", "1,234.123457", "−0.00002", "–"],
    );
  });

  it("are short where they are large", () => {
    expect(compact(12_345_678)).toBe("12.35M");
    expect(compact(1_500_000_000)).toBe("1.50B");
    expect(compact(123_456)).toBe("123.46K");
    expect(compact(2.5)).toBe("2.50");
  });

  it("know the decimals of a step, also of one that JavaScript writes with an exponent", () => {
    expect([0.5, 0.05, 1, 100, 1e-7, 2.5e-7].map(decimalsOf)).toEqual([1, 2, 0, 0, 7, 8]);
    expect(decimalText(1e-7)).toBe("0.0000001");
    expect(decimalText(60000.5)).toBe("60000.5");
  });
});

describe("numbers that are written", () => {
  it("may have separators, and are exact decimals", () => {
    expect(written(" 60,000.50 ")).toBe("60000.5");
    expect(written(".5")).toBe("0.5");
    expect(written("007")).toBe("7");
    expect(written("5.")).toBe("5");
  });

  it("are refused when they are no numbers", () => {
    for (const text of ["", ".", "-1", "1e5", "NaN", "1.2.3", "five"]) expect(written(text)).toBeNull();
  });
});

describe("steps", () => {
  it("are kept exactly, where floats would not", () => {
    expect(isOnStep("0.3", 0.1)).toBe(true);
    expect(isOnStep("59000.3", 0.5)).toBe(false);
    expect(isOnStep("123456789.0000001", 1e-7)).toBe(true);
    expect(onStep("59000.3", 0.5)).toBe("59000.5");
    expect(onStep("59000.2", 0.5)).toBe("59000");
    expect(onStep("59000.3", 0.5, "down")).toBe("59000");
    expect(onStep("59000.1", 0.5, "up")).toBe("59000.5");
  });

  it("come back as they went", () => {
    for (const text of ["0", "1", "0.5", "123.456", "1000000000000000.123456"])
      expect(fromUnits(toUnits(text, 6), 6)).toBe(text);
  });
});
