import { amountText, money } from "../shared/numbers";
import type { Order } from "../shared/venue_types";
import type { Column } from "./table";
import { words } from "./words";

type Figures = Pick<Order, "direction" | "price" | "amount" | "filled_amount">;

/** What every table of orders says of one: its side, its price, how much it was for and how much was filled. */
export const ORDER_COLUMNS: Column<Figures>[] = [
  { head: "Side", cell: ({ direction }) => <span class={direction === "buy" ? "up" : "down"}>{direction}</span>, file: ({ direction }) => direction },
  { head: "Price", isNumber: true, cell: ({ price }) => (typeof price === "number" ? money(price) : words(price)), file: ({ price }) => price },
  { head: "Amount", number: ({ amount }) => amount, say: amountText },
  { head: "Filled", number: (row) => row.filled_amount, say: amountText },
];
