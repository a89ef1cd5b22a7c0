/** The venue's figures as `/metrics` gives them: Prometheus' text format, read as far as the console needs it. */

export type Labels = Record<string, string>;

export interface Sample {
  labels: Labels;
  value: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** All samples of one reading, by family without the product's prefix, and when it was read. */
export class Figures {
  private constructor(
    private readonly families: Map<string, Sample[]>,
    readonly atMs: number,
  ) {}

  static parse(text: string, atMs: number): Figures {
    const families = new Map<string, Sample[]>();
    for (const line of text.split("\n")) {
      const match = line.startsWith("#") ? null : LINE.exec(line);
      if (match === null) continue;
      const name = match[1]!.replace(/^lionrock_/, "");
      const labels: Labels = {};
      for (const [, key, value] of (match[2] ?? "").matchAll(LABEL)) {
        labels[key!] = value!.replace(/\\(.)/g, (_, escaped) => (escaped === "n" ? "\n" : escaped));
      }
      const samples = families.get(name) ?? [];
      samples.push({ labels, value: Number(match[3]) });
      families.set(name, samples);
    }
    return new Figures(families, atMs);
  }

  all(name: string): Sample[] {
    return this.families.get(name) ?? [];
  }

  /** The sum of the samples with these labels; undefined when there is none. */
  value(name: string, labels: Labels = {}): number | undefined {
    const found = this.all(name).filter((sample) => hasLabels(sample, labels));
    return found.length === 0 ? undefined : found.reduce((sum, sample) => sum + sample.value, 0);
  }

  /** How much a counter has grown in each second since an earlier reading. */
  rate(earlier: Figures | null, name: string, labels: Labels = {}): number | undefined {
    const now = this.value(name, labels);
    const before = earlier?.value(name, labels);
    if (now === undefined || earlier === null || this.atMs <= earlier.atMs) return undefined;
    return Math.max(0, (now - (before ?? 0)) * 1000) / (this.atMs - earlier.atMs);
  }

  /** The bound of a histogram's bucket below which a share of what was measured since an earlier reading lies. */
  quantile(earlier: Figures | null, family: string, labels: Labels, share: number): number | undefined {
    const buckets = this.all(`${family}_bucket`)
      .filter((sample) => hasLabels(sample, labels))
      .map(({ labels: own, value }) => ({
        bound: own.le === "+Inf" ? Infinity : Number(own.le),
        count: value - (earlier?.value(`${family}_bucket`, own) ?? 0),
      }))
      .sort((one, other) => one.bound - other.bound);
    const total = buckets.at(-1)?.count ?? 0;
    return total <= 0 ? undefined : buckets.find(({ count }) => count >= share * total)?.bound;
  }
}

function hasLabels(sample: Sample, labels: Labels): boolean {
  return Object.entries(labels).every(([name, value]) => sample.labels[name] === value);
}

/** Seconds as people say them: 42 µs, 3.1 ms, 1.2 s, 5 min. */
export function duration(seconds: number | undefined): string {
  if (seconds === undefined) return "–";
  if (seconds === Infinity) return "beyond the last bucket";
  if (seconds < 0.001) return `${(seconds * 1e6).toFixed(0)} µs`;
  if (seconds < 1) return `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
  if (seconds < 120) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** Bytes as people say them. */
export function bytes(count: number | undefined): string {
  if (count === undefined) return "–";
  for (const [size, unit] of [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]] as const) {
    if (count >= size) return `${(count / size).toFixed(1)} ${unit}`;
  }
  return `${count} B`;
}
