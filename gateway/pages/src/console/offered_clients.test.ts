import { beforeEach, expect, test, vi } from "vitest";
import type { Params, Venue } from "../shared/venue";
import { OfferedClients } from "./offered_clients";

const NAMES = ["alice", "bob", "carol"];
let asked: string[] = [];
let waits: (() => void)[] = [];

/** A venue that answers when it is told to. */
const venue = {
  call: (_: string, { name }: Params) => {
    asked.push(name as string);
    return new Promise((answer, refuse) => waits.push(() => {
      if (name === "?") refuse(new Error("no such name"));
      else answer(NAMES.filter((one) => one.includes(name as string)).map((client) => ({ client })));
    }));
  },
} as unknown as Venue;

const pause = () => vi.advanceTimersByTimeAsync(1000);
const answer = async (place = 0) => {
  waits.splice(place, 1)[0]!();
  await vi.advanceTimersByTimeAsync(0);
};
const names = (offered: OfferedClients) => offered.found.value.map(({ client }) => client);

beforeEach(() => {
  vi.useFakeTimers();
  [asked, waits] = [[], []];
});

test("one question when the person pauses, and the names of before until its answer", async () => {
  const offered = new OfferedClients(venue);
  offered.write("");
  await pause();
  await answer();
  expect(names(offered)).toEqual(NAMES);
  for (const part of ["c", "ca", "car "]) offered.write(part);
  await pause();
  expect(asked).toEqual(["", "car"]);
  expect(names(offered)).toEqual(NAMES);
  await answer();
  expect(names(offered)).toEqual(["carol"]);
});

test("an answer that comes late does not replace a later one", async () => {
  const offered = new OfferedClients(venue);
  offered.write("bob");
  await pause();
  offered.write("alice");
  await pause();
  await answer(1);
  await answer(0);
  expect(names(offered)).toEqual(["alice"]);
});

test("a refusal leaves what was offered, and nothing comes after the end", async () => {
  const offered = new OfferedClients(venue);
  offered.write("bob");
  await pause();
  await answer();
  offered.write("?");
  await pause();
  await answer();
  expect(names(offered)).toEqual(["bob"]);
  offered.write("alice");
  offered.close();
  await pause();
  expect(asked).toEqual(["bob", "?"]);
});
