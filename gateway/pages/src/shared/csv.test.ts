import { expect, it } from "vitest";
import { csvOf } from "./csv";

it("quotes what has commas or quotes, and lets no text be a formula", () => {
  const rows = [
    ['say "hi", now', -1.5],
    ["=1+1", 0],
    ["@x", null],
    ["-2+3", "-2.5"],
    [{ size: 1 }, undefined],
  ];
  expect(csvOf(["label", "change"], rows)).toBe(
    [
      "label,change",
      '"say ""hi"", now",-1.5',
      "'=1+1,0",
      "'@x,",
      "'-2+3,-2.5",
      '"{""size"":1}",',
      "",
    ].join("\r\n"),
  );
});
