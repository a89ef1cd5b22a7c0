import type { AlertOrder } from "./console_types";

/** One order on the chart: from when until when it was shown, at which price, and what was filled of it. */
export interface Life {
  fromS: number;
  untilS: number;
  price: number;
  isBuy: boolean;
  isWithdrawn: boolean;
  isOpen: boolean;
  /** How large it was among the others, from 0 to 1: the larger, the thicker. */
  share: number;
  fills: { atS: number; price: number }[];
}

/** Orders as the chart draws them. An order without a limit is where it was filled. */
export function livesOf(orders: AlertOrder[], nowMs: number): Life[] {
  const most = Math.max(...orders.map(({ amount }) => amount), 0);
  return orders.flatMap((order) => {
    const price = typeof order.price === "number" && order.price > 0 ? order.price : order.trades[0]?.price;
    if (price === undefined) return [];
    const isOpen = order.order_state === "open" || order.order_state === "untriggered";
    return [{
      fromS: order.creation_timestamp / 1000,
      untilS: (isOpen ? nowMs : order.last_update_timestamp) / 1000,
      price,
      isBuy: order.direction === "buy",
      isWithdrawn: order.order_state === "cancelled",
      isOpen,
      share: most > 0 ? order.amount / most : 0,
      fills: order.trades.map((trade) => ({ atS: trade.timestamp / 1000, price: trade.price })),
    }];
  });
}

/** The time that the chart shows: all orders until the last one ended, an open one as far as that, with room on both sides, two minutes at least. */
export function rangeOf(lives: Life[], fallbackS: number): [number, number] {
  const from = Math.min(...lives.map(({ fromS }) => fromS), fallbackS);
  const ended = lives.filter(({ isOpen }) => !isOpen);
  const until = Math.max(...ended.map(({ untilS }) => untilS), ...lives.map(({ fromS }) => fromS), fallbackS);
  const room = Math.max((until - from) / 10, 60 - (until - from) / 2, 1);
  return [from - room, until + room];
}
