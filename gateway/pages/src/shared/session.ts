import type { Params } from "./venue";

/** A key of an account. */
export interface Credentials {
  key: string;
  secret: string;
}

/** The parameters of a login, signed with the venue's time. The secret itself stays here wherever the browser has WebCrypto: https and localhost. */
export async function signedLogin({ key, secret }: Credentials, timestamp: number): Promise<Params> {
  if (!globalThis.crypto?.subtle) {
    return { grant_type: "client_credentials", client_id: key, client_secret: secret };
  }
  const nonce = hex(crypto.getRandomValues(new Uint8Array(8)));
  const bytes = (text: string) => new TextEncoder().encode(text);
  const hmac = await crypto.subtle.importKey("raw", bytes(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const signature = hex(new Uint8Array(await crypto.subtle.sign("HMAC", hmac, bytes(`${timestamp}\n${nonce}\n`))));
  return { grant_type: "client_signature", client_id: key, timestamp, nonce, data: "", signature };
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What an address `/#key=...&secret=...` hands over; null when it has none. */
export function credentialsOfHash(hash: string): Credentials | null {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const key = given.get("key");
  const secret = given.get("secret");
  return key && secret ? { key, secret } : null;
}

/** The keys that this browser tab holds, the one in use first. They end with the tab. */
export function keptCredentials(name: string): Credentials[] {
  try {
    const kept = JSON.parse(sessionStorage.getItem(name) ?? "[]");
    return Array.isArray(kept) ? kept.filter((one) => one?.key && one?.secret) : [];
  } catch {
    return [];
  }
}

/** Hold these keys for as long as the tab lives. */
export function keepCredentials(name: string, credentials: Credentials[]): void {
  sessionStorage.setItem(name, JSON.stringify(credentials));
}

/** Take a key out of the page's address, before anybody can copy it or see it in the history. */
export function takeCredentials(name: string): Credentials[] {
  const given = credentialsOfHash(location.hash);
  const kept = keptCredentials(name);
  if (given === null) return kept;
  history.replaceState(null, "", location.pathname + location.search);
  const credentials = [given, ...kept.filter((one) => one.key !== given.key)];
  keepCredentials(name, credentials);
  return credentials;
}
