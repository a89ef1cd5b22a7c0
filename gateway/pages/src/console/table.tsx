import { save, csvOf } from "../shared/csv";
import { shown } from "../shared/numbers";
import { useOnce } from "../shared/once";
import { DataTable, type Column as ShownColumn } from "../shared/table";
import { Time } from "../shared/time";
import type { Pages } from "./asked";
import { Fault } from "./fault";

/** A column that says itself what its cells show, or one of the usual kinds: the file has their value whole. */
export type Column<Row> = { head: string } & (
  | (Pick<ShownColumn<Row>, "cell" | "isNumber"> & {
      /** What the file has instead, where a cell shows more than a text or a number. */
      file?(row: Row): unknown;
    })
  | { /** A moment in ms. */ time(row: Row): number }
  | { /** A text that may be long. */ wide(row: Row): string | null | undefined }
  | { number(row: Row): number | null | undefined; /** With how many decimals, or in which words. */ say: number | Say }
);
type Say = (value: number | null | undefined) => string;

interface Props<Row> {
  name: string;
  columns: Column<NoInfer<Row>>[];
  rows: Row[] | null;
  error?: string;
  empty: string;
  keyOf(row: Row): string | number;
  /** Where the rows are one page of more. */
  pages?: Pages<NoInfer<Row>>;
}

/** A table that can be saved as a file, with all its pages. */
export function Table<Row>({ name, columns, rows, error = "", empty, keyOf, pages }: Props<Row>) {
  const { once, isBusy, fault } = useOnce();
  const all = columns.map(inFull);
  const saved = all.filter(({ head }) => head !== "");
  const isPart = pages !== undefined && (pages.hasMore || !pages.isFirst);
  const download = async () => {
    const cells = (isPart ? await pages.all() : (rows ?? [])).map((row) => saved.map(({ file }) => file(row)));
    save(`${name.replaceAll(" ", "-")}-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.csv`,
      csvOf(saved.map(({ head }) => head), cells));
  };
  return (
    <section class="panel part" aria-label={name}>
      <div class="part-head">
        <h2>{name}</h2>
        {rows !== null && <span class="dim">{rows.length}{isPart && " on this page"}</span>}
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
      {rows !== null && (
        <div class="scrolled" tabIndex={0} role="region" aria-label={`${name}, rows`}>
          <DataTable label={name} kind="table" columns={all} rows={rows} keyOf={keyOf} empty={empty} />
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
  const words: Say = typeof say === "number" ? (value) => shown(value, say) : say;
  return { head, isNumber: true, cell: (row) => words(number(row)), file: number };
}
