import { expect, test } from "vitest";
import { holding, inOrder, turned } from "./row_order";

const ROWS = [{ name: "b", size: 9 }, { name: "A", size: 10 }, { name: "c", size: null }];
const COLUMNS = [
  { head: "Name", file: (row: (typeof ROWS)[0]) => row.name },
  { head: "Size", file: (row: (typeof ROWS)[0]) => row.size },
  { head: "", file: () => "hidden" },
];

test("a head is pressed once for rising, twice for falling, three times for the venue's order", () => {
  const once = turned(null, "Size");
  const twice = turned(once, "Size");
  expect([once, twice, turned(twice, "Size"), turned(twice, "Name")]).toEqual([
    { head: "Size", isDown: false }, { head: "Size", isDown: true }, null, { head: "Name", isDown: false },
  ]);
});

test("numbers are ordered by size, texts by letters with their numbers, and nothing is the last", () => {
  const names = (rows: typeof ROWS) => rows.map(({ name }) => name).join("");
  expect(names(inOrder(ROWS, ({ size }) => size, false))).toBe("bAc");
  expect(names(inOrder(ROWS, ({ size }) => size, true))).toBe("Abc");
  expect(names(inOrder(ROWS, ({ name }) => name, false))).toBe("Abc");
  expect(inOrder(["order 10", "order 9"], (text) => text, false)).toEqual(["order 9", "order 10"]);
});

test("rows are found by what they show, not by what stands on their buttons", () => {
  expect(holding(ROWS, " a ", COLUMNS)).toEqual([ROWS[1]]);
  expect(holding(ROWS, "10", COLUMNS)).toEqual([ROWS[1]]);
  expect(holding(ROWS, "", COLUMNS)).toBe(ROWS);
  expect(holding(ROWS, "hidden", COLUMNS)).toEqual([]);
});
