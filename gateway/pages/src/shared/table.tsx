import type { ComponentChildren } from "preact";

export interface Column<Row> {
  head: string;
  cell(row: Row): ComponentChildren;
  isNumber?: boolean;
  /** What a column's head means, for who points at it. */
  hint?: string;
  /** Order the rows by this column; the head is a button then. */
  onSort?(): void;
  sorted?: "ascending" | "descending";
}

interface Props<Row> {
  label: string;
  columns: Column<NoInfer<Row>>[];
  rows: Row[];
  keyOf(row: Row): string | number;
  /** What is said when there are no rows. */
  empty: string;
  kind?: "table cards" | "table" | "tape";
  /** Attributes of a row, such as `data-order-id`. */
  attributes?(row: Row): Record<string, string | undefined>;
}

/** A table with heads that stay; `cards`: on a phone each row is a card with its heads beside the values. */
export function DataTable<Row>({ label, columns, rows, keyOf, empty, kind = "table cards", attributes }: Props<Row>) {
  if (rows.length === 0) return <p class="empty">{empty}</p>;
  return (
    <table class={kind} aria-label={label}>
      <thead>
        <tr>
          {columns.map((column) => (
            <th key={column.head} scope="col" class={column.isNumber ? "number" : undefined} title={column.hint} aria-sort={column.sorted}>
              {column.head === "" ? <span class="hidden-label">actions</span> : column.onSort === undefined ? column.head : (
                <button type="button" class="head-button" onClick={column.onSort}>
                  {column.head}{column.sorted !== undefined && <span aria-hidden="true"> {column.sorted === "ascending" ? "▲" : "▼"}</span>}
                </button>
              )}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={keyOf(row)} {...attributes?.(row)}>
            {columns.map((column) => (
              <td key={column.head} data-head={column.head} class={column.isNumber ? "number" : undefined}>
                {column.cell(row)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** What a cell shows that has nothing to say; a card leaves its line out. */
export function Nothing() {
  return <span class="dim nothing">–</span>;
}
