import { expect, it } from "vitest";
import { credentialsOfHash, signedLogin } from "./session";

it("takes a key out of an address that has both parts", () => {
  expect(credentialsOfHash("#key=abc&secret=d%2Be")).toEqual({ key: "abc", secret: "d+e" });
  expect(credentialsOfHash("#key=abc")).toBeNull();
  expect(credentialsOfHash("")).toBeNull();
});

it("signs the time and a nonce and never sends the secret", async () => {
  const login = await signedLogin({ key: "abc", secret: "s" }, 1_800_000_000_000);
  expect(JSON.stringify(login)).not.toContain('"s"');
  expect(login).toMatchObject({ grant_type: "client_signature", client_id: "abc", data: "" });
  const bytes = (text: string) => new TextEncoder().encode(text);
  const key = await crypto.subtle.importKey("raw", bytes("s"), { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  const signature = new Uint8Array(
    String(login.signature)
      .match(/../g)!
      .map((pair) => parseInt(pair, 16)),
  );
  expect(await crypto.subtle.verify("HMAC", key, signature, bytes(`${login.timestamp}\n${login.nonce}\n`))).toBe(true);
});
