/** What the officers' methods say, as far as the console reads it. The OpenRPC document has all of it. */

/** A whole number; text above 2^53, where a number of this language would be another one. */
export type WholeNumber = number | string;

export interface Change {
  number: number;
  change: string;
  state: "proposed" | "approved" | "rejected" | "expired" | "done";
  params: Record<string, unknown>;
  reason: string;
  actor_name: string;
  created: number;
  expires: number | null;
  approver_name: string | null;
  decided: number | null;
  note: string;
  remarks: string[];
  frozen_clients: string[];
  sequence: number | null;
  orders_cancelled: number | null;
  is_cancelling: boolean;
  directives: { kind: string; code: string | null; value: WholeNumber; sequence: number | null; refused: string | null }[];
}

export interface ChangePreview {
  change: string;
  needs_second_person: boolean;
  effects: string[];
  directives: {
    kind: string;
    code: string | null;
    account: string | null;
    instrument_name: string | null;
    index: number;
    before: WholeNumber | null;
    after: WholeNumber | null;
  }[];
  open_orders: number;
  remarks: string[];
  frozen_clients: string[];
}

export interface SessionInfo {
  session: number;
  port: string;
  address: string;
  account: string | null;
  person: string | null;
  key: string | null;
  scopes: string[];
  is_binary: boolean;
  channels: number;
  open_s: number;
  idle_s: number;
  is_slow: boolean;
  unsent_bytes: number;
  is_own: boolean;
}

export interface Risk {
  account: string;
  client: string;
  equity: number;
  initial_margin: number;
  maintenance_margin: number;
  margin_ratio: number;
  is_liquidating: boolean;
  margin_call: number;
  open_orders: number;
  positions: {
    instrument_name: string;
    size: number;
    mark_price: number | null;
    liquidation_price: number | null;
    distance_percent: number | null;
    margin_mode: string;
  }[];
}

export interface ForcedTrade {
  instrument_name: string;
  timestamp: number;
  trade_id: string;
  direction: string;
  amount: number;
  price: number;
  type: "liquidation" | "deleveraging";
  mark_price: number | null;
  account: string;
  against: string | null;
}

export interface Parameter {
  parameter: string;
  item: number;
  value: WholeNumber;
  change: number | null;
}

export interface ClientSummary {
  client: string;
  accounts: { account: string; restriction: string }[];
  investor_class: string;
  is_frozen: boolean;
  is_killed: boolean;
  missing: string[];
  lapses_first: string | null;
  valid_through: string | null;
  days_left: number | null;
}

export interface ClientRecord {
  client: string;
  today: string;
  is_employee?: boolean;
  in_force: Record<string, number>;
  accounts: { slot: number; name: string; parent: string | null; in_force: Record<string, string | number> }[];
  persons: { person: number; name: string; documents: unknown[] }[];
  keys: { id: string; account: string; person: number; scopes: string[]; label: string; is_live: boolean }[];
  records: {
    number: number;
    topic: string;
    account: string | null;
    person: string | null;
    details: Record<string, unknown>;
    valid_through: string | null;
    document_hash: string | null;
    change: number;
    refused: string | null;
    recorded: number;
  }[];
}

export interface Lapse {
  client: string;
  topic: string;
  valid_through: string;
  days_left: number;
}

export interface Affiliate {
  client: string;
  account: string;
  approvals: {
    instrument_name: string;
    valid_from: string | null;
    valid_through: string;
    responsible_officer: string;
    information_barriers_hash: string;
    change: number;
  }[];
}

export interface Alert {
  number: number;
  rule: string;
  text: string;
  timestamp: number;
  instrument_name: string | null;
  accounts: string[];
  first_sequence: number;
  last_sequence: number;
  state: "open" | "reviewed" | "dismissed" | "escalated";
  reviewer: string | null;
  note: string;
}

export interface AlertOrder {
  order_id: string;
  direction: "buy" | "sell";
  price: number | "market_price";
  amount: number;
  filled_amount: number;
  order_type: string;
  order_state: string;
  creation_timestamp: number;
  last_update_timestamp: number;
  cancel_reason?: string;
  account: string;
  trades: { timestamp: number; price: number; amount: number; direction: "buy" | "sell" }[];
}

export interface AlertEvidence extends Alert {
  figures: Record<string, number>;
  sequences: number[];
  order_ids: string[];
  orders: AlertOrder[];
  reviews: { state: string; reviewer: string; note: string; timestamp: number }[];
}

export interface Health {
  live: boolean;
  state: string;
  sequence: number;
  durable_sequence: number;
  time_ms: number;
  troubles: { name: string; effect: string; cause: string; remedy: string; since_ms: number }[];
}

export interface Readiness {
  ready: boolean;
  reasons: { reason: string; cause: string; remedy: string }[];
  markets: Record<string, string>;
}
