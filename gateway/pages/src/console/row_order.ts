/** Which rows of a table are shown, and in which order. */

export interface Order {
  head: string;
  isDown: boolean;
}

/** The order after a press on a head: by it, then the other way round, then as the venue gives them. */
export function turned(order: Order | null, head: string): Order | null {
  if (order?.head !== head) return { head, isDown: false };
  return order.isDown ? null : { head, isDown: true };
}

/** The rows by one of their values: numbers by size, texts by their letters; rows without a value are the last ones. */
export function inOrder<Row>(rows: Row[], value: (row: Row) => unknown, isDown: boolean): Row[] {
  const sign = isDown ? -1 : 1;
  return rows.map((row) => ({ row, value: value(row) })).sort((one, other) => {
    const [left, right] = [one.value, other.value];
    if (isNone(left) || isNone(right)) return Number(isNone(left)) - Number(isNone(right));
    return sign * (typeof left === "number" && typeof right === "number" ? left - right : textOf(left).localeCompare(textOf(right), "en", { numeric: true }));
  }).map(({ row }) => row);
}

/** The rows that have a text in one of their values, whatever its case. */
export function holding<Row>(rows: Row[], text: string, columns: { head: string; file(row: Row): unknown }[]): Row[] {
  const wanted = text.trim().toLowerCase();
  if (wanted === "") return rows;
  return rows.filter((row) => columns.some(({ head, file }) => head !== "" && textOf(file(row)).toLowerCase().includes(wanted)));
}

function isNone(value: unknown): boolean {
  return value === null || value === undefined || value === "" || value === "–";
}

function textOf(value: unknown): string {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value ?? "");
}
