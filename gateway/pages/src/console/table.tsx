import type { ComponentChildren } from "preact";
import { save, toCsv } from "./csv";

export interface Column<T> {
  title: string;
  /** What the cell shows. */
  of(row: T): ComponentChildren;
  /** What the file has instead, where a cell shows more than a text or a number. */
  file?(row: T): unknown;
  isNumber?: boolean;
}

interface Props<T> {
  name: string;
  columns: Column<T>[];
  rows: T[] | null;
  error?: string;
  empty: string;
  keyOf(row: T): string | number;
}

/** A table that can be saved as a file. */
export function Table<T>({ name, columns, rows, error = "", empty, keyOf }: Props<T>) {
  const saved = columns.filter((column) => column.title !== "");
  const download = () => {
    const cells = (rows ?? []).map((row) => saved.map((column) => (column.file ?? column.of)(row)));
    save(`${name.replaceAll(" ", "-")}-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.csv`,
      toCsv(saved.map((column) => column.title), cells));
  };
  return (
    <section class="panel part" aria-label={name}>
      <div class="part-head">
        <h2>{name}</h2>
        {rows !== null && <span class="dim">{rows.length}</span>}
        <button type="button" class="button small" disabled={!rows?.length} onClick={download}>
          Save as CSV
        </button>
      </div>
      {error !== "" && <p class="banner" role="alert">{error}</p>}
      {rows === null && error === "" && <p class="empty">…</p>}
      {rows?.length === 0 && <p class="empty">{empty}</p>}
      {rows !== null && rows.length > 0 && (
        <div class="scrolled" tabIndex={0} role="region" aria-label={`${name}, rows`}>
          <table class="table">
            <thead>
              <tr>
                {columns.map((column) => (
                  <th scope="col" class={column.isNumber ? "number" : ""}>
                    {column.title === "" ? <span class="hidden-label">action</span> : column.title}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={keyOf(row)}>
                  {columns.map((column) => (
                    <td class={column.isNumber ? "number" : ""}>{column.of(row)}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
