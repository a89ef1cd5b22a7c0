/** What an error answer of the venue says. */
export interface ErrorAnswer {
  code: number;
  message: string;
  data?: {
    reason?: string;
    message?: string;
    param?: string;
    value?: unknown;
    limit?: unknown;
    remedy?: string;
    wait_ms?: number;
  };
}

/** The venue refused a request. `reason` is the rulebook's; `message` says it in one line, with the figures. */
export class VenueError extends Error {
  readonly code: number;
  readonly reason: string;
  readonly param: string;
  readonly remedy: string;
  readonly waitMs: number;

  constructor(answer: ErrorAnswer) {
    const data = answer.data ?? {};
    super(data.message ?? ([data.param, data.reason].filter(Boolean).join(": ") || answer.message));
    this.name = "VenueError";
    this.code = answer.code;
    this.reason = data.reason ?? "";
    this.param = data.param ?? "";
    this.remedy = data.remedy ?? "";
    this.waitMs = data.wait_ms ?? 0;
  }
}

/** The connection was lost before the answer: whether the request was served is not known. */
export class Disconnected extends Error {
  constructor() {
    super("the connection was lost before the venue answered");
    this.name = "Disconnected";
  }
}
