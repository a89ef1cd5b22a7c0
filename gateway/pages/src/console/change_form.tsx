import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { formOf, type Param, type Schema, type Written } from "./schema";
import { words } from "./words";

interface Props {
  params: Param[];
  written: Record<string, Written>;
  /** Parameters that are decided already and only shown. */
  fixed: ReadonlySet<string>;
  onWrite(name: string, value: Written): void;
  /** Names to choose from, by parameter. */
  known: Record<string, string[]>;
}

/** The fields of a change. */
export function ChangeForm({ params, written, fixed, onWrite, known }: Props) {
  const last = (param: Param) => (param.name === "reason" ? 1 : 0);
  return (
    <>
      {[...params].sort((one, other) => last(one) - last(other)).map(({ name, required, schema }) =>
        formOf(name, schema) === "rows" ? (
          <Rows key={name} name={name} schema={schema} rows={(written[name] as Record<string, string>[]) ?? []}
            onWrite={(rows) => onWrite(name, rows)} />
        ) : (
          <Field key={name} name={name} schema={schema} isRequired={required} isFixed={fixed.has(name)}
            value={(written[name] as string) ?? ""} known={known[name] ?? []} onWrite={(value) => onWrite(name, value)} />
        ),
      )}
    </>
  );
}

interface FieldProps {
  name: string;
  schema: Schema;
  isRequired: boolean;
  isFixed?: boolean;
  value: string;
  known?: string[];
  onWrite(value: string): void;
}

function Field({ name, schema, isRequired, isFixed = false, value, known = [], onWrite }: FieldProps) {
  const id = useId();
  const form = formOf(name, schema);
  const shared = { id, required: isRequired, disabled: isFixed, "aria-describedby": `${id}-about` };
  const take = (event: Event) => onWrite((event.currentTarget as HTMLInputElement).value);
  const options = form === "yes-no" ? [["true", "yes"], ["false", "no"]] : (schema.enum ?? []).map((one) => [one, words(one)]);
  return (
    <div class="field">
      <label for={id}>
        {words(name)}
        {isRequired ? "" : " (optional)"}
      </label>
      {form === "choice" || form === "yes-no" ? (
        <select {...shared} class="input" value={value} onChange={take}>
          <option value="">choose…</option>
          {options.map(([option, text]) => <option value={option}>{text}</option>)}
        </select>
      ) : form === "long" ? (
        <textarea {...shared} class="input" rows={name === "text" ? 8 : 2} value={value} onInput={take} />
      ) : form === "day" ? (
        <input {...shared} class="input" type="date" value={value} onInput={take} />
      ) : form === "secret" ? (
        <input {...shared} class="input" type="password" autocomplete="off" value={value} onInput={take} />
      ) : (
        <input {...shared} class="input" type="text" autocomplete="off" list={known.length > 0 ? `${id}-known` : undefined}
          inputMode={form === "whole" ? "numeric" : undefined} value={value} onInput={take} />
      )}
      {known.length > 0 && (
        <datalist id={`${id}-known`}>
          {known.map((one) => <option value={one} />)}
        </datalist>
      )}
      {form === "hash" && <HashOfFile label={words(name)} onHash={onWrite} />}
      <span id={`${id}-about`} class="dim about">{schema.description ?? ""}</span>
    </div>
  );
}

/** The SHA-256 of a document, computed here: the document itself does not leave the machine. */
function HashOfFile({ label, onHash }: { label: string; onHash(hash: string): void }) {
  const fault = useSignal("");
  if (!globalThis.crypto?.subtle) return null;
  const take = async (event: Event) => {
    const [file] = (event.currentTarget as HTMLInputElement).files ?? [];
    if (file === undefined) return;
    try {
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
      onHash([...digest].map((byte) => byte.toString(16).padStart(2, "0")).join(""));
      fault.value = "";
    } catch {
      fault.value = "the file could not be read";
    }
  };
  return (
    <span class="of-file">
      <input type="file" aria-label={`${label}: of a file of this machine, which is not sent`} onChange={take} />
      {fault.value !== "" && <span class="down">{fault}</span>}
    </span>
  );
}

interface RowsProps {
  name: string;
  schema: Schema;
  rows: Record<string, string>[];
  onWrite(rows: Record<string, string>[]): void;
}

/** A list such as the documents of evidence, each with fields of its own. */
function Rows({ name, schema, rows, onWrite }: RowsProps) {
  const properties = Object.entries(schema.items?.properties ?? {});
  const required = new Set(schema.items?.required ?? []);
  return (
    <fieldset>
      <legend>{words(name)}</legend>
      {rows.map((row, place) => (
        <fieldset key={place}>
          <legend>{place + 1}</legend>
          {properties.map(([property, own]) => (
            <Field key={property} name={property} schema={own} isRequired={required.has(property)} value={row[property] ?? ""}
              onWrite={(value) => onWrite(rows.map((one, at) => (at === place ? { ...one, [property]: value } : one)))} />
          ))}
          <button type="button" class="button small" onClick={() => onWrite(rows.filter((_, at) => at !== place))}>
            Remove {place + 1}
          </button>
        </fieldset>
      ))}
      <button type="button" class="button small" onClick={() => onWrite([...rows, {}])}>
        Add one
      </button>
    </fieldset>
  );
}
