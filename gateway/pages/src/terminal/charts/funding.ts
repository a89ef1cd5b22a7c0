// Settled funding rates as columns of a chart, in per cent.

/** A row of public/get_funding_rate_history. */
export interface FundingRow {
  timestamp: number;
  funding_rate: number;
  interest_8h: number;
  interval_s: number;
  index_price: number;
}

/** Times in seconds, the rate of each interval, and the rates added up from the first one shown. */
export interface FundingColumns {
  times: number[];
  rates: number[];
  sums: number[];
}

export function columnsOf(rows: readonly FundingRow[]): FundingColumns {
  let sum = 0;
  const rates = rows.map((row) => row.funding_rate * 100);
  return {
    times: rows.map((row) => row.timestamp / 1000),
    rates,
    sums: rates.map((rate) => (sum += rate)),
  };
}
