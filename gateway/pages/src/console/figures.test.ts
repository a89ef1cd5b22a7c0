import { expect, test } from "vitest";
import { bytes, duration, Figures } from "./figures";

const text = (orders: number, fast: number, slow: number) => `# HELP lionrock_commands_total Commands
# TYPE lionrock_commands_total counter
lionrock_commands_total{kind="new"} ${orders}.0
lionrock_commands_total{kind="cancel"} 4.0
lionrock_stage_seconds_bucket{le="0.001",stage="received_to_applied"} ${fast}.0
lionrock_stage_seconds_bucket{le="0.01",stage="received_to_applied"} ${fast + slow}.0
lionrock_stage_seconds_bucket{le="+Inf",stage="received_to_applied"} ${fast + slow}.0
lionrock_index_staleness_seconds{contract="BTC_USDC-PERPETUAL",place="0",source="a \\"b\\" {c}"} 0.25
`;

test("samples have labels, and quotes and braces in them", () => {
  const figures = Figures.parse(text(10, 1, 0), 0);
  expect(figures.value("commands_total")).toBe(14);
  expect(figures.value("commands_total", { kind: "new" })).toBe(10);
  expect(figures.value("nothing")).toBeUndefined();
  expect(figures.all("index_staleness_seconds")[0]).toEqual({
    labels: { contract: "BTC_USDC-PERPETUAL", place: "0", source: 'a "b" {c}' },
    value: 0.25,
  });
});

test("a rate is the growth in a second, and none is known from one reading", () => {
  const [before, after] = [Figures.parse(text(10, 1, 0), 1000), Figures.parse(text(30, 1, 0), 3000)];
  expect(after.rate(before, "commands_total")).toBe(10);
  expect(after.rate(null, "commands_total")).toBeUndefined();
});

test("a quantile counts what was measured since the earlier reading alone", () => {
  const [before, after] = [Figures.parse(text(0, 1000, 0), 0), Figures.parse(text(0, 1001, 9), 2000)];
  const labels = { stage: "received_to_applied" };
  expect(after.quantile(null, "stage_seconds", labels, 0.5)).toBe(0.001);
  expect(after.quantile(before, "stage_seconds", labels, 0.5)).toBe(0.01);
  expect(before.quantile(before, "stage_seconds", labels, 0.5)).toBeUndefined();
});

test("durations and bytes are said in the unit that fits", () => {
  expect([0.000042, 0.0031, 0.25, 1.2, 45, 600, 10_800, undefined].map(duration)).toEqual([
    "42 µs", "3.1 ms", "250 ms", "1.2 s", "45 s", "10 min", "3.0 h", "–",
  ]);
  expect([512, 3 * 2 ** 20, undefined].map(bytes)).toEqual(["512 B", "3.0 MiB", "–"]);
});
