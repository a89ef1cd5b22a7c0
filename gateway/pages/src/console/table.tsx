import { useSignal } from "@preact/signals";
import { save, csvOf } from "../shared/csv";
import { shown } from "../shared/numbers";
import { useOnce } from "../shared/once";
import { DataTable, type Column as ShownColumn } from "../shared/table";
import { Time } from "../shared/time";
import type { Pages } from "./asked";
import { Fault } from "./fault";
import { holding, inOrder, turned, type Order } from "./row_order";

/** A column that says itself what its cells show, or one of the usual kinds: the file has their value whole. */
export type Column<Row> = { head: string } & (
  | (Pick<ShownColumn<Row>, "cell" | "isNumber" | "hint"> & {
      /** What the file has instead, where a cell shows more than a text or a number. */
      file?(row: Row): unknown;
    })
  | { /** A moment in ms. */ time(row: Row): number }
  | { /** A text that may be long. */ wide(row: Row): string | null | undefined }
  | { number(row: Row): number | null | undefined; /** With how many decimals, or in which words. */ say: number | Say<Row>; hint?: string }
);
type Say<Row> = (value: number | null | undefined, row: Row) => string;

/** From so many rows on one can search in them. */
const MANY = 8;

interface Props<Row> {
  name: string;
  columns: Column<NoInfer<Row>>[];
  rows: Row[] | null;
  error?: string;
  empty: string;
  keyOf(row: Row): string | number;
  /** Where the rows are one page of more. */
  pages?: Pages<NoInfer<Row>>;
  /** The place has a field that asks the venue, which knows more than the rows shown. */
  hasOwnSearch?: boolean;
}

/** A table that can be saved as a file, with all its pages. */
export function Table<Row>({ name, columns, rows, error = "", empty, keyOf, pages, hasOwnSearch = false }: Props<Row>) {
  const { once, isBusy, fault } = useOnce();
  const order = useSignal<Order | null>(null);
  const wanted = useSignal("");
  const all = columns.map(inFull);
  const by = all.find(({ head }) => head === order.value?.head);
  const found = rows === null ? null : holding(rows, wanted.value, all);
  const shownRows = found === null || by === undefined ? found : inOrder(found, by.file, order.value!.isDown);
  const shownColumns = all.map((column) => column.head === "" ? column : {
    ...column,
    onSort: () => (order.value = turned(order.value, column.head)),
    sorted: order.value?.head !== column.head ? undefined : order.value.isDown ? ("descending" as const) : ("ascending" as const),
  });
  const saved = all.filter(({ head }) => head !== "");
  const isPart = pages !== undefined && (pages.hasMore || !pages.isFirst);
  const download = async () => {
    const cells = (isPart ? await pages.all() : (shownRows ?? [])).map((row) => saved.map(({ file }) => file(row)));
    save(`${name.replaceAll(" ", "-")}-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.csv`,
      csvOf(saved.map(({ head }) => head), cells));
  };
  return (
    <section class="panel part" aria-label={name}>
      <div class="part-head">
        <h2>{name}</h2>
        {rows !== null && <span class="dim">{found!.length === rows.length ? "" : `${found!.length} of `}{rows.length}{isPart && " on this page"}</span>}
        {!hasOwnSearch && (rows?.length ?? 0) >= MANY && (
          <input class="input find" type="search" placeholder="Find" aria-label={`Find in ${name}`} maxLength={64} value={wanted.value}
            onInput={(event) => (wanted.value = event.currentTarget.value)} />
        )}
        <button type="button" class="button small" disabled={!rows?.length || isBusy.value} onClick={() => once(download)}>
          {isPart ? "Save all pages as CSV" : "Save as CSV"}
        </button>
        {isPart && (
          <span class="actions">
            <button type="button" class="button small" disabled={pages.isFirst} onClick={pages.first}>First page</button>
            <button type="button" class="button small" disabled={!pages.hasMore} onClick={pages.next}>Next page</button>
          </span>
        )}
      </div>
      <Fault text={error} />
      <Fault text={fault.value} />
      {rows === null && error === "" && <p class="empty">…</p>}
      {shownRows !== null && (
        <div class="scrolled" tabIndex={0} role="region" aria-label={`${name}, rows`}>
          <DataTable label={name} kind="table cards" columns={shownColumns} rows={shownRows} keyOf={keyOf} empty={rows!.length > 0 ? "No row has that in it." : empty} />
        </div>
      )}
    </section>
  );
}

function inFull<Row>(column: Column<Row>): ShownColumn<Row> & { file(row: Row): unknown } {
  const { head } = column;
  if ("cell" in column) return { ...column, file: column.file ?? column.cell };
  if ("time" in column) {
    const { time } = column;
    return { head, cell: (row) => <Time ms={time(row)} withDate />, file: (row) => new Date(time(row)).toISOString() };
  }
  if ("wide" in column) {
    const { wide } = column;
    return { head, cell: (row) => <span class="wraps">{wide(row) ?? "–"}</span>, file: wide };
  }
  const { number, say } = column;
  const words: Say<Row> = typeof say === "number" ? (value) => shown(value, say) : say;
  return { head, isNumber: true, hint: column.hint, cell: (row) => words(number(row), row), file: number };
}
