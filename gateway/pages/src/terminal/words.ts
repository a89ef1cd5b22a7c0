import { VenueError } from "../shared/venue_error";
import type { Notice, UserTrade } from "../shared/venue_types";
import { percent, shown } from "../shared/numbers";
import { reasons } from "./state";

/** Words for what the protocol says in codes. */

/** What went wrong and what to do about it, for a person. */
export function refusalWords(error: unknown): { text: string; remedy: string } {
  if (!(error instanceof VenueError))
    return { text: error instanceof Error ? error.message : String(error), remedy: "" };
  const known = reasons.value.get(error.reason.split(":")[0] ?? "");
  const text =
    known !== undefined && !error.message.includes(known.meaning) ? `${known.meaning} ${error.message}` : error.message;
  const remedy = error.remedy || known?.remedy || "";
  return { text, remedy: text.includes(remedy) ? "" : remedy };
}

/** The same in one line. */
export function sayReason(error: unknown): string {
  const { text, remedy } = refusalWords(error);
  return [text, remedy].filter(Boolean).join(" ");
}

const MARKET: Record<string, string> = {
  open: "open",
  post_only: "post-only: orders that trade at once are refused",
  reduce_only: "reduce-only: positions can be closed, not opened",
  cancel_only: "cancel-only: no new orders",
  halted: "halted: no trading",
  closed: "closed",
  draft: "not open yet",
};

/** What may be done in a market, in words. */
export function marketWords(state: string): string {
  return MARKET[state] ?? plain(state);
}

/** A change in per cent, as the venue says it of a day. */
export function changeWords(change: number | null | undefined): string {
  return percent(change == null ? null : change / 100);
}

/** stop_market as "stop market". */
export function plain(code: string): string {
  return code.replaceAll("_", " ").toLowerCase();
}

/** plain, with a capital. */
export function title(code: string): string {
  const text = plain(code);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** What forced an own trade; empty when nothing did. A deleveraging has no order of its own. */
export function forcedBy(trade: UserTrade): "" | "liquidation" | "ADL" {
  if (trade.liquidation?.includes(trade.liquidity)) return "liquidation";
  return trade.order_type === "liquidation" ? "ADL" : "";
}

/** A notice in one line. */
export function noticeWords(notice: Notice): string {
  const known = reasons.value.get(notice.reason ?? "");
  const what = known?.meaning ?? title(notice.reason ?? "");
  if (notice.type === "lapse_warning") {
    return `In ${notice.days_left} days (after ${notice.valid_through}) this will stop you from opening positions: ${what} ${known?.remedy ?? ""}`;
  }
  if (notice.type === "lapsed") {
    return `${what} Orders that open positions are cancelled in ${notice.instrument_name ?? "all contracts"}. ${known?.remedy ?? ""}`;
  }
  return `Margin call, level ${notice.level}: equity ${shown(notice.equity, 2)}, maintenance margin ${shown(notice.maintenance_margin, 2)}. Deposit margin or reduce.`;
}
