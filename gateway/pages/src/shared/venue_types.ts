/** What the venue's methods and channels say, as far as the pages read it. The OpenRPC document has all of it. */

export interface Instrument {
  instrument_name: string;
  base_currency: string;
  quote_currency: string;
  settlement_currency: string;
  is_active: boolean;
  state: string;
  tick_size: number;
  min_trade_amount: number;
  max_trade_amount: number;
  amount_step: number;
  maker_commission: number;
  taker_commission: number;
  max_leverage: number;
  price_index: string;
}

export interface Ticker {
  timestamp: number;
  instrument_name: string;
  state: string;
  market_state: string;
  best_bid_price: number | null;
  best_bid_amount: number;
  best_ask_price: number | null;
  best_ask_amount: number;
  last_price: number | null;
  mark_price: number;
  index_price: number;
  min_price: number;
  max_price: number;
  stats: {
    high: number | null;
    low: number | null;
    price_change: number | null;
    volume: number;
    volume_notional: number;
  };
  current_funding: number;
  funding_8h: number;
  open_interest: number;
  next_funding_timestamp?: number | null;
  funding_interval?: number;
}

export type Direction = "buy" | "sell";
export type Level = [price: number, amount: number];

export interface BookMessage {
  type: "snapshot" | "change";
  timestamp: number;
  change_id: number;
  prev_change_id?: number;
  bids: ["new" | "change" | "delete", number, number][];
  asks: ["new" | "change" | "delete", number, number][];
}

export interface Trade {
  trade_id: string;
  trade_seq: number;
  timestamp: number;
  instrument_name: string;
  price: number;
  amount: number;
  direction: Direction;
  mark_price: number;
  liquidation?: string;
}

export interface UserTrade extends Trade {
  order_id: string;
  label: string;
  liquidity: "M" | "T";
  fee: number;
  fee_currency: string;
  state: string;
  order_type: string;
}

export interface Order {
  order_id: string;
  instrument_name: string;
  direction: Direction;
  order_type: string;
  order_state: string;
  price: number | "market_price";
  amount: number;
  filled_amount: number;
  average_price: number;
  time_in_force: string;
  post_only: boolean;
  reduce_only: boolean;
  label: string;
  creation_timestamp: number;
  last_update_timestamp: number;
  is_liquidation: boolean;
  display_amount?: number;
  trigger?: string;
  trigger_price?: number;
  trigger_offset?: number;
  triggered?: boolean;
  cancel_reason?: string;
  expires_at?: number;
  cl_ord_id?: number;
  commission: number;
}

export interface Position {
  instrument_name: string;
  direction: "buy" | "sell" | "zero";
  size: number;
  average_price: number;
  mark_price: number;
  index_price: number;
  floating_profit_loss: number;
  realized_profit_loss: number;
  realized_funding: number;
  total_profit_loss: number;
  initial_margin: number;
  maintenance_margin: number;
  leverage: number;
  estimated_liquidation_price: number | null;
  adl_lights: number;
  /** Profit in per cent of the initial margin; null without a position. */
  roe?: number | null;
  margin_mode: string;
  settlement_currency: string;
}

export interface Portfolio {
  currency: string;
  equity: number;
  margin_balance: number;
  balance: number;
  available_funds: number;
  available_withdrawal_funds: number;
  initial_margin: number;
  maintenance_margin: number;
  total_pl: number;
  session_upl: number;
  session_rpl: number;
}

export interface Liquidation {
  timestamp: number;
  price: number;
  amount: number;
  direction: Direction;
  type: string;
}

export interface Notice {
  type: string;
  timestamp: number;
  reason?: string;
  instrument_name?: string;
  valid_through?: string;
  days_left?: number;
  level?: string | number;
  equity?: number;
  maintenance_margin?: number;
}
