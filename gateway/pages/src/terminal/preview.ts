import { signal } from "@preact/signals";
import type { Params } from "../shared/venue";
import { VenueError } from "../shared/venue_error";
import type { Direction } from "../shared/venue_types";
import { venue } from "./state";

/** What an order would do, as the venue computes it (`private/preview_order`). */
export interface Preview {
  admitted: boolean;
  refusal: { reason: string; message: string; remedy: string } | null;
  failing_rules: { reason: string; meaning: string; remedy: string }[];
  made_reduce_only: boolean;
  order_state: string;
  filled_amount: number;
  average_price: number | null;
  worst_price: number | null;
  resting_amount: number;
  cancelled_amount: number;
  slippage_best: number | null;
  slippage_mark: number | null;
  order_value: number;
  taker_fee: number;
  maker_fee: number;
  cost: number;
  before: { available_funds: number; initial_margin: number; maintenance_margin: number };
  after: { available_funds: number; initial_margin: number; maintenance_margin: number };
  position_after: { size: number; estimated_liquidation_price: number | null };
  max_amount?: number;
}

/** What an amendment would do (`private/preview_edit`). */
export interface EditPreview extends Preview {
  order_id: string;
  direction: Direction;
  keeps_priority: boolean;
}

const UNKNOWN_METHOD = -32601;
/** Whether the venue has previews. */
export const hasPreview = signal(true);

/** Ask the venue what an order would do; null when it cannot be asked. */
export function previewOf(direction: Direction, params: Params, withMax = false): Promise<Preview | null> {
  const asked = withMax ? { ...params, direction, with_max: true } : { ...params, direction };
  return asking<Preview>("private/preview_order", asked);
}

/** Ask the venue what an order's change would do; null when it cannot be asked. */
export function previewOfEdit(orderId: string, changes: Params): Promise<EditPreview | null> {
  return asking<EditPreview>("private/preview_edit", { order_id: orderId, ...changes });
}

/** Figures are told of an unusual order too: whether it is meant is asked when it is sent. */
async function asking<Answer>(method: string, params: Params): Promise<Answer | null> {
  if (!hasPreview.peek() || venue.login.peek() === null) return null;
  try {
    return await venue.call<Answer>(method, { ...params, confirm: true });
  } catch (error) {
    if (error instanceof VenueError && error.code === UNKNOWN_METHOD) hasPreview.value = false;
    return null;
  }
}
