import { expect, it } from "vitest";
import { csvOf } from "./csv";

it("quotes what has commas or quotes, and lets no text be a formula", () => {
  const rows = csvOf(
    ["label", "change"],
    [
      ['say "hi", now', -1.5],
      ["=1+1", 0],
      ["@x", null],
    ],
  );
  expect(rows).toBe('label,change\r\n"say ""hi"", now",-1.5\r\n\'=1+1,0\r\n\'@x,\r\n');
});
