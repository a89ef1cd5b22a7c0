import { expect, test, vi } from "vitest";
import { LatestOnly } from "./latest_only";

test("one question at a time, the next one about the newest that is wanted", async () => {
  vi.useFakeTimers();
  const asked: number[] = [];
  const answers: (() => void)[] = [];
  const asking = new LatestOnly<number>(200, (wanted) => {
    asked.push(wanted);
    return new Promise((resolve) => answers.push(resolve));
  });
  for (const wanted of [1, 2, 3]) asking.ask(wanted);
  await vi.advanceTimersByTimeAsync(1000);
  expect(asked).toEqual([1]);
  answers[0]!();
  await vi.advanceTimersByTimeAsync(199);
  expect(asked).toEqual([1]);
  await vi.advanceTimersByTimeAsync(1);
  expect(asked).toEqual([1, 3]);
  answers[1]!();
  await vi.advanceTimersByTimeAsync(1000);
  expect(asked).toEqual([1, 3]);
  asking.ask(4);
  expect(asked).toEqual([1, 3, 4]);
  vi.useRealTimers();
});

test("an answer to what is not wanted any more does not count", async () => {
  const counted: boolean[] = [];
  let answer = (): void => undefined;
  const asking = new LatestOnly<number>(0, async (_, isLatest) => {
    await new Promise<void>((resolve) => (answer = resolve));
    counted.push(isLatest());
  });
  asking.ask(1);
  asking.forget();
  answer();
  await vi.waitFor(() => expect(counted).toEqual([false]));
});
