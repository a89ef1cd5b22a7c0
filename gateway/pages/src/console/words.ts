import type { WholeNumber } from "./console_types";

/** Names of the protocol as words: set_contract_state is "set contract state". */
export function words(name: string): string {
  return name.replaceAll("_", " ");
}

/** A change's parameters in one line, without those that are shown elsewhere or mean nothing to a person. */
export function told(params: Record<string, unknown>): string {
  return Object.entries(params)
    .filter(([name, value]) => value !== null && !["reason", "verifier", "identity", "text"].includes(name))
    .map(([name, value]) => `${words(name)}: ${typeof value === "object" ? JSON.stringify(value) : String(value)}`)
    .join("; ");
}

/** A parameter's value with its unit beside it, as the end of the parameter's name says: 30000000 ppb is 3 %. */
export function withUnit(parameter: string, given: WholeNumber | null): string {
  if (given === null) return "never set";
  if (typeof given === "string" && !/^-?\d+$/.test(given)) return given;
  const value = Number(given); // for what is told shorter; `whole` has every digit
  const whole = BigInt(given).toLocaleString("en");
  if (parameter.endsWith("_ppb")) return `${Number((value / 1e7).toFixed(7))} % (${whole} ppb)`;
  if (parameter.endsWith("_micros")) return `${(value / 1e6).toLocaleString("en", { maximumFractionDigits: 6 })} (${whole} micros)`;
  if (parameter.endsWith("_ns") && value < 1e15) return `${value / 1e9} s (${whole} ns)`;
  if (parameter.endsWith("until_ns")) return value === 0 ? "never given" : `before ${new Date(value / 1e6).toISOString()}`;
  return whole;
}
