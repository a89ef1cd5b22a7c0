import { expect, test } from "vitest";
import { axisTime, tickText, tickWeight } from "./local_time_scale";

const local = (...parts: [number, number, number, number?, number?]): number => new Date(...parts).getTime();

test("days and hours begin where they do for the viewer", () => {
  const midnight = local(2027, 0, 15);
  expect(tickWeight(midnight, midnight - 60_000)).toBe(50);
  expect(tickWeight(midnight + 60_000, midnight)).toBe(20);
  expect(tickWeight(local(2027, 0, 15, 12), local(2027, 0, 15, 11, 59))).toBe(33);
  expect(tickWeight(local(2027, 0, 15, 13), local(2027, 0, 15, 12, 59))).toBe(30);
  expect(tickWeight(local(2027, 0, 15, 13, 30), local(2027, 0, 15, 13, 29))).toBe(22);
  expect(tickWeight(local(2027, 0, 15, 13, 35), local(2027, 0, 15, 13, 34))).toBe(21);
  expect(tickWeight(local(2027, 1, 1), local(2027, 0, 31, 23, 59))).toBe(60);
  expect(tickWeight(local(2027, 0, 1), local(2026, 11, 31, 23, 59))).toBe(70);
});

test("an axis says the day where one begins, otherwise the time", () => {
  const midnight = local(2027, 0, 15) / 1000;
  expect(axisTime(midnight, 3600)).toContain("15");
  expect(axisTime(midnight + 5 * 3600, 3600)).toBe("05:00");
  expect(axisTime(midnight + 5 * 3600, 86_400)).toContain("15");
});

test("a tick says what begins there", () => {
  const time = local(2027, 0, 15, 14, 5);
  expect(tickText(time, 30)).toBe("14:05");
  expect(tickText(local(2027, 0, 15), 50)).toContain("15");
  expect(tickText(local(2027, 0, 1), 70)).toContain("2027");
});
