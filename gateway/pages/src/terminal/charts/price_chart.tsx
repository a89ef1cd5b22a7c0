import { computed, effect, signal, useComputed, useSignal, type ReadonlySignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { compact, decimalsOf, shown, signed } from "../../shared/numbers";
import { theme } from "../../shared/theme";
import type { Venue } from "../../shared/venue";
import type { Instrument, Order, Position, Ticker, UserTrade } from "../../shared/venue_types";
import { RESOLUTIONS } from "./candles";
import { LineDragging } from "./line_dragging";
import { MovableLines, type Amend } from "./movable_lines";
import type { MovedField } from "./order_lines";
import { OrderTags } from "./order_tags";
import { LAYERS, PricePicture, type Layer, type PointedCandle } from "./price_picture";
import type { PriceView } from "./price_view";

export interface PriceChartProps {
  venue: Venue;
  instrument: Instrument;
  ticker: ReadonlySignal<Ticker | null>;
  orders: ReadonlySignal<readonly Order[]>;
  fills: ReadonlySignal<readonly UserTrade[]>;
  position: ReadonlySignal<Position | null>;
  onAmend: Amend;
  /** What is shown beside a line that is moved: what the amendment would do. */
  amendPreview(order: Order, field: MovedField, price: string): ComponentChildren;
  onCancel(order: Order): void;
}

/** The choices that a browser keeps: the resolution and what is shown. */
const KEPT = "lionrock.chart";
const choices = keptChoices();
const resolution = signal(RESOLUTIONS.find(({ name }) => name === choices.resolution) ?? RESOLUTIONS[0]);
const layers = signal<ReadonlySet<Layer>>(new Set(choices.layers));
const ordersAreShown = computed(() => layers.value.has("orders"));

function keptChoices(): { resolution: string; layers: Layer[] } {
  const names = Object.keys(LAYERS) as Layer[];
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT) ?? "{}");
    const isShown = (name: Layer): boolean => !Array.isArray(kept.layers) || kept.layers.includes(name);
    return { resolution: String(kept.resolution ?? "1"), layers: names.filter(isShown) };
  } catch {
    return { resolution: "1", layers: names };
  }
}

effect(() => localStorage.setItem(KEPT, JSON.stringify({ resolution: resolution.value.name, layers: [...layers.value] })));

/** Candles with volume, mark and index; own orders as lines that are dragged to amend them, own fills as arrows. */
export function PriceChart(props: PriceChartProps) {
  const { venue, instrument, ticker, orders, fills, position, onCancel } = props;
  const host = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLDivElement>(null);
  const picture = useSignal<PricePicture | null>(null);
  const dragging = useRef<LineDragging | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const decimals = decimalsOf(instrument.tick_size);
  const lines = useMemo(
    () => new MovableLines(orders, instrument.instrument_name, instrument.tick_size, (...move) => latest.current.onAmend(...move)),
    [orders, instrument.instrument_name, instrument.tick_size],
  );
  const chosen = resolution.value;
  useEffect(() => {
    const element = host.current!;
    const drawn = new PricePicture(
      canvas.current!,
      { venue, instrument, resolution: chosen, ticker, fills, position, layers, lines },
      (view) => placeTags(element, view, lines),
    );
    picture.value = drawn;
    dragging.current = new LineDragging(element, drawn.view, lines, () => ordersAreShown.peek());
    return () => {
      dragging.current?.end();
      drawn.end();
    };
  }, [venue, instrument.instrument_name, instrument.tick_size, chosen, lines]);
  const shownTheme = theme.value;
  useEffect(() => picture.peek()?.recolour(), [shownTheme]);

  return (
    <div class="chart">
      <ChartBar />
      <div
        class="chart-host"
        ref={host}
        role="application"
        tabIndex={0}
        aria-label={`Price chart of ${instrument.instrument_name}: arrow keys move it, plus and minus zoom, End shows the newest`}
        onKeyDown={(event) => moveChart(event, picture.peek())}
      >
        <div class="chart-canvas" ref={canvas} />
        {picture.value && <Legend picture={picture.value} decimals={decimals} />}
        {picture.value && <Newest picture={picture.value} />}
        <a class="chart-credit" href="https://www.tradingview.com/" target="_blank" rel="noopener noreferrer">
          Chart by TradingView
        </a>
        <OrderTags
          lines={lines}
          isShown={ordersAreShown}
          decimals={decimals}
          previewOf={props.amendPreview}
          onGrab={(event, id) => dragging.current?.grab(event, id)}
          onCancel={onCancel}
        />
      </div>
    </div>
  );
}

function ChartBar() {
  const toggle = (layer: Layer): void => {
    const now = new Set(layers.value);
    if (!now.delete(layer)) now.add(layer);
    layers.value = now;
  };
  return (
    <div class="chart-bar">
      <div class="chart-choices" role="group" aria-label="Period of a candle">
        {RESOLUTIONS.map((one) => (
          <button
            type="button"
            key={one.name}
            aria-pressed={one === resolution.value}
            aria-label={`${one.label}, ${one.words}`}
            onClick={() => {
              resolution.value = one;
            }}
          >
            {one.label}
          </button>
        ))}
      </div>
      <details class="chart-show">
        <summary>Show</summary>
        <div class="chart-show-list">
          {(Object.keys(LAYERS) as Layer[]).map((layer) => (
            <label class="check" key={layer}>
              <input type="checkbox" checked={layers.value.has(layer)} onChange={() => toggle(layer)} />
              {LAYERS[layer]}
            </label>
          ))}
        </div>
      </details>
    </div>
  );
}

function Newest({ picture }: { picture: PricePicture }) {
  return (
    <button
      type="button"
      class="button small chart-newest"
      hidden={picture.isAtNewest.value}
      onClick={() => picture.view.toNewest()}
    >
      Newest »
    </button>
  );
}

function Legend({ picture, decimals }: { picture: PricePicture; decimals: number }) {
  const remark = picture.remark.value;
  const pointed = picture.pointedCandle.value;
  if (remark) return <p class="chart-remark">{remark}</p>;
  return pointed && <PointedValues pointed={pointed} decimals={decimals} />;
}

function PointedValues({ pointed: { candle, reference }, decimals }: { pointed: PointedCandle; decimals: number }) {
  const change = candle.close - candle.open;
  const rate = candle.open ? (change / candle.open) * 100 : 0;
  const isShown = useComputed(() => layers.value);
  const values: [string, string][] = [
    ["O", shown(candle.open, decimals)], ["H", shown(candle.high, decimals)], ["L", shown(candle.low, decimals)],
    ["C", shown(candle.close, decimals)],
  ];
  return (
    <dl class="chart-legend">
      {values.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
      <div>
        <dt class="hidden-label">change</dt>
        <dd class={change < 0 ? "down" : "up"}>{signed(rate, 2)} %</dd>
      </div>
      {isShown.value.has("volume") && <Value name="Vol" value={compact(candle.volume)} />}
      {reference && isShown.value.has("mark") && <Value name="Mark" value={shown(reference.mark, decimals)} kind="mark" />}
      {reference && isShown.value.has("index") && <Value name="Index" value={shown(reference.index, decimals)} kind="index" />}
    </dl>
  );
}

function Value({ name, value, kind = "" }: { name: string; value: string; kind?: string }) {
  return (
    <div class={kind && `chart-${kind}`}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** Put each label where its line is. One whose line is out of sight, or not drawn yet, is hidden. */
function placeTags(host: HTMLElement, view: PriceView, lines: MovableLines): void {
  const height = view.height;
  for (const tag of host.querySelectorAll<HTMLElement>("[data-line]")) {
    const drawn = lines.find(tag.dataset.line!);
    const y = drawn ? view.yOf(drawn.price) : null;
    const isInside = y !== null && y >= 0 && y <= height;
    tag.toggleAttribute("data-placed", isInside);
    tag.toggleAttribute("data-low", isInside && y > height / 2);
    if (isInside) tag.style.transform = `translateY(${y}px) translateY(-50%)`;
  }
}

function moveChart(event: KeyboardEvent, picture: PricePicture | null): void {
  if (!picture || event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
  const { view } = picture;
  const candles = event.shiftKey ? 50 : 5;
  if (event.key === "ArrowLeft") view.scroll(-candles);
  else if (event.key === "ArrowRight") view.scroll(candles);
  else if (event.key === "+" || event.key === "=") view.zoom(0.8);
  else if (event.key === "-") view.zoom(1.25);
  else if (event.key === "End") view.toNewest();
  else return;
  event.preventDefault();
}
