import { expect, test } from "vitest";
import { cell, toCsv } from "./csv";

test("cells are quoted where they must be", () => {
  expect(toCsv(["a", "b"], [["x,y", 'say "hi"'], [1.5, null]])).toBe('a,b\r\n"x,y","say ""hi"""\r\n1.5,\r\n');
  expect(cell({ size: 1 })).toBe('"{""size"":1}"');
});

test("no text is a formula, and a negative number stays a number", () => {
  expect([cell("=1+1"), cell("@x"), cell("-2+3"), cell(-2.5)]).toEqual(["'=1+1", "'@x", "'-2+3", "-2.5"]);
});
