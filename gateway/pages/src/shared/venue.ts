import { signal, type ReadonlySignal } from "@preact/signals";
import { Disconnected, VenueError, type ErrorAnswer } from "./venue_error";
import { signedLogin, type Credentials } from "./session";

/** connecting: never been live; live: connected, logged in if there are credentials, channels joined; lost: was live. */
export type Connection = "connecting" | "live" | "lost";
export type Params = Record<string, unknown>;
export type Handler = (data: any, channel: string) => void;

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

interface Answer {
  result: any;
  sequence?: number;
  refused?: { channel: string; reason: string }[];
}

interface Push {
  channel: string;
  data: unknown;
  sequence?: number;
}

const RETRY_MS = [200, 500, 1000, 2000, 4000];
const HEARTBEAT_S = 10;
const SILENCE_MS = 25_000;
const RESUMED = /^user\.(orders|trades|changes|notices)/;

/** The address of the venue's websocket, at the host that gave the page. */
export function venueAddress(): string {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/api/v2`;
}

/**
 * One websocket with the venue's JSON-RPC, both ways. After a lost connection it connects again, logs in, joins every
 * channel again, and asks what the account's own channels said meanwhile (`venue/resume`). Messages may come twice then:
 * handlers of `user.` channels go by order id, trade id or time.
 */
export class Venue {
  private readonly connectionNow = signal<Connection>("connecting");
  private readonly loginNow = signal<Credentials | null>(null);
  private readonly gapNow = signal("");
  private socket: WebSocket | null = null;
  private nextId = 1;
  private waiting = new Map<number, Waiting>();
  private handlers = new Map<string, Set<Handler>>();
  private beginners = new Set<() => void | Promise<void>>();
  private credentials: Credentials | null = null;
  private latest = 0;
  private held: Push[] | null = null;
  private attempts = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private watchdog: ReturnType<typeof setInterval> | undefined;
  private heardAt = 0;
  private aheadMs = 0;

  constructor(private readonly address: string = venueAddress()) {}

  get connection(): ReadonlySignal<Connection> {
    return this.connectionNow;
  }

  /** Who is logged in, or will be as soon as the connection is back; null when nobody is. */
  get login(): ReadonlySignal<Credentials | null> {
    return this.loginNow;
  }

  /** Why own messages of a lost connection cannot be had any more; empty when none are missing. */
  get gap(): ReadonlySignal<string> {
    return this.gapNow;
  }

  /** The venue's time in ms, by its last answer: the clock of this machine may be wrong. */
  get nowMs(): number {
    return Date.now() + this.aheadMs;
  }

  connect(): void {
    clearTimeout(this.retry);
    const socket = new WebSocket(this.address);
    this.socket = socket;
    socket.onopen = () => {
      this.heardAt = performance.now();
      this.begin().catch((error) => {
        console.warn("the connection could not begin", error);
        socket.close();
      });
    };
    socket.onmessage = (event) => this.receive(JSON.parse(event.data));
    socket.onclose = () => {
      if (this.socket === socket) this.lose();
    };
    clearInterval(this.watchdog);
    this.watchdog = setInterval(() => {
      if (socket.readyState === WebSocket.OPEN && performance.now() - this.heardAt > SILENCE_MS) socket.close();
    }, 5000);
  }

  /** Connect at once instead of after the pause: the network is back, or the user asks for it. */
  connectNow(): void {
    if (this.socket === null || this.socket.readyState === WebSocket.CLOSED) this.connect();
  }

  /** Call a method. VenueError when it is refused, Disconnected when no answer can come. */
  async call<T = any>(method: string, params: Params = {}): Promise<T> {
    return (await this.request(method, params)).result as T;
  }

  /** Hear channels until the returned function is called, also after reconnects. `user.` channels need a login. */
  subscribe(channels: string[], handler: Handler): () => void {
    const fresh = channels.filter((channel) => !this.handlers.has(channel));
    for (const channel of channels) {
      const handlers = this.handlers.get(channel) ?? new Set();
      this.handlers.set(channel, handlers.add(handler));
    }
    if (this.connectionNow.peek() === "live" || this.held !== null) this.join(fresh).catch(() => this.socket?.close());
    return () => this.leave(channels, handler);
  }

  /** Ask for a channel's first message again: a book's snapshot, after its chain broke. */
  rejoin(channel: string): void {
    this.join([channel]).catch(() => undefined);
  }

  /** Run after each time that the connection is live, at once if it is. Returns how to stop that. */
  whenLive(run: () => void | Promise<void>): () => void {
    this.beginners.add(run);
    if (this.connectionNow.peek() === "live") begun(run);
    return () => this.beginners.delete(run);
  }

  /** Log in, now and after every reconnect. VenueError when the key is refused: who was logged in before is so again. */
  async logIn(credentials: Credentials): Promise<void> {
    const before = this.credentials;
    if (this.loginNow.peek() !== null) await this.beginAnew();
    try {
      await this.call("public/auth", await signedLogin(credentials, this.nowMs));
    } catch (error) {
      if (before !== null && error instanceof VenueError) await this.logIn(before);
      else if (before !== null) this.use(before);
      throw error;
    }
    this.credentials = credentials;
    this.gapNow.value = "";
    this.latest = 0;
    this.loginNow.value = credentials;
    await this.join([...this.handlers.keys()].filter(isOwn));
  }

  /** Leave the account: a connection has one login, so the next one needs another connection. */
  private beginAnew(): Promise<void> {
    this.credentials = null;
    this.loginNow.value = null;
    this.gapNow.value = "";
    this.latest = 0;
    this.connectionNow.value = "connecting";
    this.socket?.close();
    return new Promise((resolve) => {
      const end = this.whenLive(() => {
        end();
        resolve();
      });
    });
  }

  /** Log in with these credentials when the connection is there. */
  use(credentials: Credentials | null): void {
    this.credentials = credentials;
    this.loginNow.value = credentials;
  }

  /** Log out: orders stay, the connection begins anew without an account. */
  logOut(): void {
    void this.beginAnew();
  }

  private request(method: string, params: Params): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.socket?.readyState !== WebSocket.OPEN) {
        reject(new Disconnected());
        return;
      }
      const id = this.nextId++;
      this.waiting.set(id, { resolve, reject });
      this.socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    });
  }

  private async begin(): Promise<void> {
    this.held = [];
    await this.request("public/set_heartbeat", { interval: HEARTBEAT_S });
    if (this.credentials !== null) await this.logInAgain(this.credentials);
    const until = await this.join([...this.handlers.keys()]);
    if (until > 0 && this.latest > 0) await this.resume(until);
    const held = this.held;
    this.held = null;
    for (const push of held) this.deliver(push);
    this.attempts = 0;
    this.connectionNow.value = "live";
    for (const run of this.beginners) begun(run);
  }

  private async logInAgain(credentials: Credentials): Promise<void> {
    try {
      await this.call("public/auth", await signedLogin(credentials, this.nowMs));
      this.loginNow.value = credentials;
    } catch (error) {
      if (!(error instanceof VenueError) || error.waitMs > 0) throw error;
      this.credentials = null;
      this.loginNow.value = null;
      this.gapNow.value = `the key is not accepted any more: ${error.message}`;
    }
  }

  /** Join channels; the sequence after which own messages come, 0 when there are none. */
  private async join(channels: string[]): Promise<number> {
    const wanted = channels.filter((channel) => !isOwn(channel) || this.loginNow.peek() !== null);
    if (wanted.length === 0) return 0;
    const answer = await this.request("public/subscribe", { channels: wanted });
    for (const { channel, reason } of answer.refused ?? []) console.warn(`${channel} is refused: ${reason}`);
    if (answer.sequence !== undefined && this.latest === 0) this.latest = answer.sequence;
    return answer.sequence ?? 0;
  }

  private leave(channels: string[], handler: Handler): void {
    const empty = channels.filter((channel) => {
      const handlers = this.handlers.get(channel);
      handlers?.delete(handler);
      return handlers?.size === 0 && this.handlers.delete(channel);
    });
    if (empty.length > 0) this.request("public/unsubscribe", { channels: empty }).catch(() => undefined);
  }

  /** Hear again what own channels said between the connections. */
  private async resume(until: number): Promise<void> {
    const channels = [...this.handlers.keys()].filter((channel) => RESUMED.test(channel));
    let sequence = Math.max(0, this.latest - 1);
    this.gapNow.value = "";
    while (channels.length > 0 && sequence < until) {
      try {
        const page = await this.call("venue/resume", { channels, sequence, until });
        for (const event of page.events as Push[]) this.deliver(event);
        sequence = page.sequence;
        if (!page.has_more) break;
      } catch (error) {
        if (!(error instanceof VenueError)) throw error;
        if (error.waitMs === 0) {
          this.gapNow.value = `some messages of the lost connection cannot be had any more: ${error.message}`;
          break;
        }
        await new Promise((done) => setTimeout(done, error.waitMs));
      }
    }
    this.latest = Math.max(this.latest, until);
  }

  private receive(message: any): void {
    this.heardAt = performance.now();
    const waiting = message.id === undefined ? undefined : this.waiting.get(message.id);
    if (waiting !== undefined) {
      this.waiting.delete(message.id);
      if (message.usOut !== undefined) this.aheadMs = Math.round(message.usOut / 1000) - Date.now();
      if (message.error) waiting.reject(new VenueError(message.error as ErrorAnswer));
      else waiting.resolve(message as Answer);
    } else if (message.method === "subscription") {
      if (this.held !== null && isOwn(message.params.channel)) this.held.push(message.params);
      else this.deliver(message.params);
    } else if (message.method === "heartbeat" && message.params.type === "test_request") {
      this.call("public/test").catch(() => undefined);
    }
  }

  private deliver(push: Push): void {
    if (push.sequence !== undefined) this.latest = Math.max(this.latest, push.sequence);
    for (const handler of this.handlers.get(push.channel) ?? []) handler(push.data, push.channel);
  }

  private lose(): void {
    for (const { reject } of this.waiting.values()) reject(new Disconnected());
    this.waiting.clear();
    this.held = null;
    if (this.connectionNow.peek() === "live") this.connectionNow.value = "lost";
    const pause = RETRY_MS[Math.min(this.attempts++, RETRY_MS.length - 1)];
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.connect(), pause);
  }
}

/** Run what a live connection begins with; what a lost one cut off is run again at the next. */
function begun(run: () => void | Promise<void>): void {
  Promise.resolve(run()).catch((error) => {
    if (!(error instanceof Disconnected)) console.warn("what the page asks at its beginning was refused", error);
  });
}

function isOwn(channel: string): boolean {
  return channel.startsWith("user.");
}
