import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Venue } from "./venue";
import { Disconnected, VenueError } from "./venue_error";

/** The other side of a websocket: a test says what it answers. */
class Socket {
  static OPEN = 1;
  static CLOSED = 3;
  static made: Socket[] = [];
  static answer: (method: string, params: any) => any = () => "ok";
  static usOut: number | undefined;
  readyState = 0;
  asked: { method: string; params: any }[] = [];
  onopen = () => {};
  onclose = () => {};
  onmessage = (_: { data: string }) => {};

  constructor() {
    Socket.made.push(this);
    queueMicrotask(() => {
      this.readyState = 1;
      this.onopen();
    });
  }

  send(text: string): void {
    const { id, method, params } = JSON.parse(text);
    this.asked.push({ method, params });
    const said = Socket.answer(method, params);
    if (said === undefined) return;
    const answer = said?.error
      ? said
      : said?.sequence === undefined || method === "venue/resume"
        ? { result: said }
        : said;
    queueMicrotask(() => this.onmessage({ data: JSON.stringify({ id, usOut: Socket.usOut, ...answer }) }));
  }

  push(channel: string, data: unknown, sequence?: number): void {
    this.onmessage({ data: JSON.stringify({ method: "subscription", params: { channel, data, sequence } }) });
  }

  close(): void {
    this.readyState = 3;
    this.onclose();
  }
}

const settled = () => vi.advanceTimersByTimeAsync(0);
/** Until the connection is back: signing a login takes real time. */
const live = (venue: Venue) => vi.waitFor(() => expect(venue.connection.value).toBe("live"), { timeout: 20_000 });
const last = () => Socket.made.at(-1)!;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", Socket);
  Socket.made = [];
  Socket.usOut = undefined;
  Socket.answer = (method, params) =>
    method === "public/subscribe"
      ? { result: params.channels, sequence: 10 }
      : method === "venue/resume"
        ? { events: [], sequence: params.until, has_more: false }
        : "ok";
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function connected(): Promise<Venue> {
  const venue = new Venue("ws://venue");
  venue.connect();
  await settled();
  return venue;
}

describe("the connection", () => {
  it("joins channels, passes on what they say, and leaves one with its last reader", async () => {
    const venue = await connected();
    const heard: unknown[] = [];
    const leave = [
      venue.subscribe(["ticker.X"], (data) => heard.push(data)),
      venue.subscribe(["ticker.X"], () => undefined),
    ];
    await settled();
    last().push("ticker.X", 1);
    leave[0]!();
    last().push("ticker.X", 2);
    expect(heard).toEqual([1]);
    expect(last().asked.map(({ method }) => method)).toEqual(["public/set_heartbeat", "public/subscribe"]);
    leave[1]!();
    expect(last().asked.at(-1)).toEqual({ method: "public/unsubscribe", params: { channels: ["ticker.X"] } });
  });

  it("tells the venue's time and signs a login with it, whatever this machine's clock says", async () => {
    vi.setSystemTime(1_800_000_000_000);
    Socket.usOut = 1_800_000_500_000_250;
    const venue = await connected();
    expect(venue.nowMs).toBe(1_800_000_500_000);
    vi.setSystemTime(1_800_000_004_000);
    expect(venue.nowMs).toBe(1_800_000_504_000);
    await venue.logIn({ key: "one", secret: "s" });
    expect(last().asked.find(({ method }) => method === "public/auth")!.params.timestamp).toBe(1_800_000_504_000);
  });

  it("joins no own channel before a login", async () => {
    const venue = await connected();
    venue.subscribe(["user.notices", "ticker.X"], () => undefined);
    await settled();
    expect(last().asked.at(-1)!.params.channels).toEqual(["ticker.X"]);
    await venue.logIn({ key: "k", secret: "s" });
    expect(last().asked.at(-1)!.params.channels).toEqual(["user.notices"]);
  });

  it("tells a refusal with its reason and remedy", async () => {
    const venue = await connected();
    Socket.answer = () => ({
      error: {
        code: 10009,
        message: "not_enough_funds",
        data: { reason: "INSUFFICIENT_MARGIN", message: "needs 5 more", remedy: "send less" },
      },
    });
    const refused = await venue.call("private/buy").catch((error) => error);
    expect(refused).toBeInstanceOf(VenueError);
    expect(refused).toMatchObject({ message: "needs 5 more", reason: "INSUFFICIENT_MARGIN", remedy: "send less" });
  });

  it("says of a request that was under way that nobody knows, and takes none while it is lost", async () => {
    const venue = await connected();
    Socket.answer = () => undefined;
    const asked = venue.call("private/buy").catch((error) => error);
    await settled();
    last().close();
    expect(await asked).toBeInstanceOf(Disconnected);
    expect(venue.connection.value).toBe("lost");
    expect(await venue.call("private/buy").catch((error) => error)).toBeInstanceOf(Disconnected);
    expect(last().asked.filter(({ method }) => method === "private/buy")).toHaveLength(1);
  });

  it("begins again after a loss: login, channels, then what was missed, then what came meanwhile", async () => {
    const venue = await connected();
    const heard: unknown[] = [];
    venue.subscribe(["user.trades.any.any.raw"], (data) => heard.push(data));
    await venue.logIn({ key: "k", secret: "s" });
    last().push("user.trades.any.any.raw", "seen", 12);
    const plain = Socket.answer;
    Socket.answer = (method, params) => {
      if (method === "public/subscribe") return { result: params.channels, sequence: 20 };
      if (method !== "venue/resume") return plain(method, params);
      last().push("user.trades.any.any.raw", "new", 21);
      return {
        events: [{ channel: "user.trades.any.any.raw", data: "missed", sequence: 15 }],
        sequence: 20,
        has_more: false,
      };
    };
    last().close();
    await live(venue);
    expect(last().asked.map(({ method }) => method)).toEqual([
      "public/set_heartbeat",
      "public/auth",
      "public/subscribe",
      "venue/resume",
    ]);
    expect(last().asked.at(-1)!.params).toEqual({ channels: ["user.trades.any.any.raw"], sequence: 11, until: 20 });
    expect(heard).toEqual(["seen", "missed", "new"]);
  });

  it("says when what was missed cannot be had any more", async () => {
    const venue = await connected();
    venue.subscribe(["user.notices"], () => undefined);
    await venue.logIn({ key: "k", secret: "s" });
    const plain = Socket.answer;
    Socket.answer = (method, params) =>
      method === "venue/resume"
        ? { error: { code: 11029, message: "invalid", data: { message: "too old" } } }
        : plain(method, params);
    last().close();
    await live(venue);
    expect(venue.gap.value).toContain("too old");
  });

  it("is given up when nothing is heard, and made again", async () => {
    const venue = await connected();
    expect(Socket.made).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(31_000);
    expect(Socket.made.length).toBeGreaterThan(1);
    expect(venue.connection.value).toBe("live");
  });

  it("stays with its account when the key of another one is refused", async () => {
    const venue = await connected();
    await venue.logIn({ key: "one", secret: "s" });
    const plain = Socket.answer;
    Socket.answer = (method, params) =>
      method === "public/auth" && params.client_id === "two"
        ? { error: { code: 13004, message: "invalid_credentials" } }
        : plain(method, params);
    const refused = venue.logIn({ key: "two", secret: "s" }).catch((error) => error);
    await vi.waitFor(() => expect(Socket.made).toHaveLength(2), { timeout: 20_000 });
    expect(await refused).toBeInstanceOf(VenueError);
    expect(venue.login.value!.key).toBe("one");
  });

  it("logs in as another account over another connection", async () => {
    const venue = await connected();
    await venue.logIn({ key: "one", secret: "s" });
    const changed = venue.logIn({ key: "two", secret: "s" });
    await vi.waitFor(() => expect(Socket.made).toHaveLength(2), { timeout: 20_000 });
    await changed;
    expect(Socket.made).toHaveLength(2);
    expect(last().asked.find(({ method }) => method === "public/auth")!.params.client_id).toBe("two");
    expect(venue.login.value!.key).toBe("two");
  });
});
