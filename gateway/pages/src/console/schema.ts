/** The forms of changes: made from the protocol's own document, so that they cannot differ from what the venue takes. */

export interface Schema {
  description?: string;
  type?: "string" | "integer" | "boolean" | "array" | "object" | "number";
  enum?: string[];
  /** A whole number that may be above 2^53 is an integer or a text. */
  oneOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
}

export interface Param {
  name: string;
  required: boolean;
  schema: Schema;
}

export interface Kind {
  name: string;
  summary: string;
  scope: "compliance" | "admin";
  params: Param[];
}

interface Method {
  name: string;
  summary: string;
  params: Param[];
  result: { schema: { $ref?: string } };
  "x-scope": string;
}

const PREFIX = "venue/admin/";

/** The kinds of changes in an OpenRPC document: what answers with a change and has a reason. */
export function kindsOf(document: { methods: Method[] }): Map<string, Kind> {
  const kinds = document.methods
    .filter(({ name, params }) => name.startsWith(PREFIX) && params.some((param) => param.name === "reason"))
    .filter((method) => method.result.schema.$ref?.endsWith("/Change"))
    .map(({ name, summary, params, "x-scope": scope }): [string, Kind] => {
      const kind = name.slice(PREFIX.length);
      return [kind, { name: kind, summary, scope: scope as Kind["scope"], params }];
    });
  return new Map(kinds);
}

let asked: Promise<Map<string, Kind>> | undefined;

/** The kinds of this venue, asked for until they were read once. */
export function kinds(): Promise<Map<string, Kind>> {
  asked ??= fetch("/openrpc.json")
    .then((answer) => {
      if (!answer.ok) throw new Error(`/openrpc.json: ${answer.status}`);
      return answer.json();
    })
    .then(kindsOf)
    .catch((error) => {
      asked = undefined; // the next dialog asks again
      throw error;
    });
  return asked;
}

export type Form = "choice" | "yes-no" | "whole" | "day" | "hash" | "rows" | "long" | "secret" | "text";

/** How a parameter is asked for. */
export function formOf(name: string, schema: Schema): Form {
  if (schema.enum) return "choice";
  if (schema.type === "boolean") return "yes-no";
  if (schema.type === "integer" || schema.oneOf?.some(({ type }) => type === "integer")) return "whole";
  if (schema.type === "array") return "rows";
  if (name === "hash" || name.endsWith("_hash")) return "hash";
  if (name === "identity") return "secret";
  if (name === "text" || name === "reason") return "long";
  return name.endsWith("date") || name.startsWith("valid_") || name === "effective_from" ? "day" : "text";
}

export type Written = string | Record<string, string>[];

/** What was written as the parameters that the venue takes. What is empty is left out. */
export function paramsOf(params: Param[], written: Record<string, Written>): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const { name, schema } of params) {
    const value = valueOf(name, schema, written[name]);
    if (value !== undefined) found[name] = value;
  }
  return found;
}

function valueOf(name: string, schema: Schema, written: Written | undefined): unknown {
  if (Array.isArray(written)) {
    const properties = Object.entries(schema.items?.properties ?? {});
    return written.map((row) =>
      paramsOf(properties.map(([property, own]) => ({ name: property, required: false, schema: own })), row),
    );
  }
  const text = written?.trim() ?? "";
  if (text === "") return undefined;
  const form = formOf(name, schema);
  if (form === "yes-no") return text === "true";
  return form === "whole" && /^-?\d+$/.test(text) ? wholeOf(text) : text;
}

/** A whole number for the venue: as text where a number of this language would be another one. */
function wholeOf(text: string): number | string {
  return Number.isSafeInteger(Number(text)) ? Number(text) : String(BigInt(text));
}
