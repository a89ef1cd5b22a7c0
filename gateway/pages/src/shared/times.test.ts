import { expect, it } from "vitest";
import { countdown, dateTime, shortTime, utc, zone } from "./times";

const NOON = new Date(2027, 0, 15, 12, 0, 5).getTime();

it("shows the day only where it is another one", () => {
  expect(dateTime(NOON)).toBe("2027-01-15 12:00:05");
  expect(shortTime(NOON, NOON + 3_600_000)).toBe("12:00:05");
  expect(shortTime(NOON, NOON + 13 * 3_600_000)).toBe("01-15 12:00");
});

it("says UTC with its milliseconds", () => {
  expect(utc(Date.UTC(2027, 0, 15, 12, 0, 5, 250))).toBe("2027-01-15 12:00:05.250 UTC");
});

it("counts down to a moment and stays at zero behind it", () => {
  expect(countdown(10_000, 0)).toBe("00:10");
  expect(countdown(3 * 3_600_000 + 61_000, 0)).toBe("3:01:01");
  expect(countdown(0, 5000)).toBe("00:00");
});

it("the zone is told by its distance from UTC", () => {
  const at = (minutes: number) => zone({ getTimezoneOffset: () => -minutes } as Date);
  expect([at(0), at(480), at(-210), at(345)]).toEqual(["UTC", "UTC+08:00", "UTC−03:30", "UTC+05:45"]);
});
