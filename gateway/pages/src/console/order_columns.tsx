import { amountText } from "../shared/numbers";
import type { Order } from "../shared/venue_types";
import { priceText } from "./prices";
import type { Column } from "./table";
import { words } from "./words";

type Figures = Pick<Order, "direction" | "price" | "amount" | "filled_amount">;

/** What every table of orders says of one: its side, its price, how much it was for and how much was filled. */
export function orderColumns<Row extends Figures>(contractOf: (row: Row) => string): Column<Row>[] {
  return [
    { head: "Side", cell: ({ direction }) => <span class={direction === "buy" ? "up" : "down"}>{direction}</span>, file: ({ direction }) => direction },
    {
      head: "Price", isNumber: true, file: ({ price }) => price,
      cell: (row) => (typeof row.price === "number" ? priceText(contractOf(row), row.price) : words(row.price)),
    },
    { head: "Amount", number: ({ amount }) => amount, say: amountText },
    { head: "Filled", number: (row) => row.filled_amount, say: amountText },
  ];
}
