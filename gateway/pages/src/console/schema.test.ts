import { expect, test, vi } from "vitest";
import { formOf, kinds, kindsOf, paramsOf, type Param } from "./schema";

const change = { schema: { $ref: "#/components/schemas/Change" } };
const reason: Param = { name: "reason", required: true, schema: { type: "string", description: "why" } };

test("changes are what answers with a change and has a reason", () => {
  const method = (name: string, params: Param[], result = change) => ({ name, summary: name, params, result, "x-scope": "admin" });
  const found = kindsOf({
    methods: [
      method("venue/admin/revoke_key", [{ name: "key", required: true, schema: { type: "string" } }, reason]),
      method("venue/admin/approve", [{ name: "number", required: true, schema: { type: "integer" } }]),
      method("venue/admin/end_session", [reason], { schema: { $ref: "#/components/schemas/SessionEnded" } }),
      method("private/buy", [reason]),
    ],
  });
  expect([...found.keys()]).toEqual(["revoke_key"]);
});

test("what is written becomes what the venue takes, and what is empty is left out", () => {
  const params: Param[] = [
    { name: "value", required: true, schema: { type: "integer" } },
    { name: "is_on", required: true, schema: { type: "boolean" } },
    { name: "amount", required: false, schema: { type: "string" } },
    {
      name: "items", required: true,
      schema: { type: "array", items: { type: "object", properties: { hash: { type: "string" }, holders: { type: "integer" } } } },
    },
    reason,
  ];
  const written = { value: " 25 ", is_on: "false", amount: " ", items: [{ hash: "ab", holders: "3" }], reason: "why" };
  expect(paramsOf(params, written)).toEqual({ value: 25, is_on: false, items: [{ hash: "ab", holders: 3 }], reason: "why" });
  expect(paramsOf(params, { value: "many" })).toEqual({ value: "many" });
  const wide: Param[] = [{ name: "value", required: true, schema: { oneOf: [{ type: "integer" }, { type: "string" }] } }];
  expect(paramsOf(wide, { value: "-25" })).toEqual({ value: -25 });
  expect(paramsOf(wide, { value: "9007199254740993" })).toEqual({ value: "9007199254740993" });
});

test("each parameter is asked for in its own way", () => {
  expect(formOf("state", { enum: ["open"] })).toBe("choice");
  expect(formOf("document_hash", { type: "string" })).toBe("hash");
  expect(formOf("valid_through", { type: "string" })).toBe("day");
  expect(formOf("document_date", { type: "string" })).toBe("day");
  expect(formOf("account", { type: "string" })).toBe("text");
});

test("a document that could not be read is asked for again", async () => {
  const answers = [new Response("too many requests", { status: 429 }), new Response('{"methods": []}')];
  vi.stubGlobal("fetch", async () => answers.shift());
  await expect(kinds()).rejects.toThrow("429");
  expect((await kinds()).size).toBe(0);
  vi.unstubAllGlobals();
});
