/** How numbers are shown and read. Decimals are exact: texts and integers, never sums of floats. */

export const MINUS = "−";
const THIN = " ";

/** How many decimals a step such as 0.05 needs: 2. Also for what JavaScript writes as 1e-7. */
export function decimalsOf(step: number): number {
  const [mantissa = "", exponent = "0"] = step.toString().split("e");
  const fraction = mantissa.split(".")[1]?.length ?? 0;
  return Math.max(0, fraction - Number(exponent));
}

/** 1234567.5 with 2 decimals as "1,234,567.50". What is not there is a dash. */
export function shown(value: number | null | undefined, decimals: number): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const text = Math.abs(value).toFixed(decimals);
  const [whole = "", fraction] = text.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  const sign = value < 0 && Number(text) !== 0 ? MINUS : "";
  return sign + (fraction === undefined ? grouped : `${grouped}.${fraction}`);
}

/** The same with a plus before what is above zero: a gain is told from a loss without its colour. */
export function signed(value: number | null | undefined, decimals: number): string {
  const text = shown(value, decimals);
  return value !== null && value !== undefined && Number(value.toFixed(decimals)) > 0 ? `+${text}` : text;
}

/** How many decimals an amount of money or a price has: two at least, six at most, as the venue books millionths. */
export function moneyDecimals(value: number | null | undefined): number {
  return Math.min(6, Math.max(2, decimalsOf(Number((value ?? 0).toFixed(6)))));
}

/** Money in whole: a fee in a cheap contract is 0.000512, not 0.00. */
export function money(value: number | null | undefined): string {
  return shown(value, moneyDecimals(value));
}

/** An amount with the decimals that it has, eight at most: 328.42, and 4,508,430 rather than 4,508,430.0000. */
export function amountText(value: number | null | undefined): string {
  return shown(value, Math.min(8, decimalsOf(Number((value ?? 0).toFixed(8)))));
}

/** A rate such as 0.0001 as "0.0100 %". */
export function percent(rate: number | null | undefined, decimals = 2): string {
  return rate === null || rate === undefined ? "–" : `${signed(rate * 100, decimals)}${THIN}%`;
}

/** The class that colours what is above or below zero. */
export function tone(value: number | null | undefined): "up" | "down" | "" {
  return !value ? "" : value > 0 ? "up" : "down";
}

/** A large number in few characters: 12.3M. */
export function compact(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  for (const [size, letter] of [
    [1e9, "B"],
    [1e6, "M"],
    [1e4, "K"],
  ] as const) {
    if (Math.abs(value) >= size) return shown(value / (letter === "K" ? 1e3 : size), 2) + letter;
  }
  return shown(value, Math.abs(value) < 100 ? 2 : 0);
}

const WRITTEN = /^(\d{0,18})(?:\.(\d{0,12}))?$/;

/** What a person has written as a decimal: separators and spaces are taken out. null when it is no number. */
export function written(text: string): string | null {
  const plain = text.replace(/[\s,_]/g, "");
  const match = WRITTEN.exec(plain);
  if (match === null || !/\d/.test(plain)) return null;
  const whole = (match[1] ?? "").replace(/^0+(?=\d)/, "") || "0";
  const fraction = (match[2] ?? "").replace(/0+$/, "");
  return fraction === "" ? whole : `${whole}.${fraction}`;
}

/** A decimal text in integer units of 10^-decimals; digits beyond are cut off. */
export function toUnits(text: string, decimals: number): bigint {
  const [whole = "0", fraction = ""] = text.split(".");
  return BigInt(whole + fraction.slice(0, decimals).padEnd(decimals, "0"));
}

/** Integer units of 10^-decimals as a decimal text without needless zeros. */
export function fromUnits(units: bigint, decimals: number): string {
  const digits = units.toString().padStart(decimals + 1, "0");
  const cut = digits.length - decimals;
  const fraction = digits.slice(cut).replace(/0+$/, "");
  return fraction === "" ? digits.slice(0, cut) : `${digits.slice(0, cut)}.${fraction}`;
}

/** A number of the venue as an exact decimal text: 1e-7 as "0.0000001". */
export function decimalText(value: number): string {
  return value.toFixed(decimalsOf(value));
}

/** The multiple of a step nearest to a price, or the next below or above it, as a decimal text. */
export function onStep(text: string, step: number, rounding: "nearest" | "down" | "up" = "nearest"): string {
  const decimals = Math.max(decimalsOf(step), text.split(".")[1]?.length ?? 0);
  const unit = toUnits(decimalText(step), decimals);
  const value = toUnits(text, decimals);
  const added = rounding === "down" ? 0n : rounding === "up" ? unit - 1n : unit / 2n;
  return fromUnits(((value + added) / unit) * unit, decimals);
}

/** Whether a decimal text is a multiple of a step. */
export function isOnStep(text: string, step: number): boolean {
  const decimals = Math.max(decimalsOf(step), text.split(".")[1]?.length ?? 0);
  return toUnits(text, decimals) % toUnits(decimalText(step), decimals) === 0n;
}
