import { expect, test } from "vitest";
import { Figures } from "./figures";
import { columnsOf, KEPT_MS, TRENDS, windowOf, withReading, type Reading } from "./trends";

const text = (commands: number, slow: number) => `
lionrock_commands_total{kind="new"} ${commands}
lionrock_journal_lag_commands 3
lionrock_connections{port="public",kind="logged_in"} 2
lionrock_stage_seconds_bucket{le="0.001",stage="received_to_applied"} 0
lionrock_stage_seconds_bucket{le="0.01",stage="received_to_applied"} ${commands}
lionrock_stage_seconds_bucket{le="+Inf",stage="received_to_applied"} ${commands + slow}
`;
const place = (title: string) => TRENDS.findIndex((trend) => trend.title.startsWith(title));

function read(moments: [atMs: number, commands: number, slow?: number][]): Reading[] {
  let readings: Reading[] = [];
  let earlier: Figures | null = null;
  for (const [atMs, commands, slow = 0] of moments) {
    const now = Figures.parse(text(commands, slow), atMs);
    readings = withReading(readings, now, earlier);
    earlier = now;
  }
  return readings;
}

test("rates need two readings, gauges one, and what the venue does not say is not drawn", () => {
  const readings = read([[2000, 10], [4000, 30]]);
  const [times, commands, requests] = columnsOf(readings, place("Throughput"));
  expect(times).toEqual([2, 4]);
  expect(commands).toEqual([null, 10]);
  expect(requests).toEqual([null, null]);
  expect(columnsOf(readings, place("Queues"))[1]).toEqual([3, 3]);
  expect(columnsOf(readings, place("Sessions"))[1]).toEqual([2, 2]);
});

test("the axis of time is two minutes long at first, and ten in the end", () => {
  expect(windowOf(990, 1000)).toEqual([880, 1000]);
  expect(windowOf(700, 1000)).toEqual([700, 1000]);
  expect(windowOf(100, 1000)).toEqual([400, 1000]);
});

test("what is beyond the last bucket is drawn above all that has a bound", () => {
  const readings = read([[2000, 100], [4000, 200], [6000, 200, 50]]);
  expect(columnsOf(readings, place("Latency"))[1]).toEqual([0.01, 0.01, 0.02]);
  expect(TRENDS[place("Latency")]!.say(readings.at(-1)!.values[place("Latency")]![0]!)).toContain("beyond");
});

test("only the last minutes are kept, and a line is interrupted where nothing was read", () => {
  const many = read(Array.from({ length: 1000 }, (_, turn): [number, number] => [2000 * turn, turn]));
  expect(many.length).toBe(KEPT_MS / 2000);
  const [times, commands] = columnsOf(read([[2000, 10], [4000, 30], [60_000, 40]]), place("Throughput"));
  expect(times).toEqual([2, 4, 32, 60]);
  expect(commands!.slice(1, 3)).toEqual([10, null]);
});
