import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { theme } from "../shared/theme";
import { clockTime } from "../shared/times";
import type { Venue } from "../shared/venue";
import type { AlertEvidence } from "./console_types";
import { livesOf, rangeOf, type Life } from "./order_lives";

const HEIGHT = 300;
const NO_CANDLES = { ticks: [] as number[], close: [] as number[] };

/** An alert's orders on the price: a line from when an order was shown until it was gone, dots where it was filled. */
export function AlertChart({ venue, alert }: { venue: Venue; alert: AlertEvidence }) {
  const place = useRef<HTMLDivElement>(null);
  const scheme = theme.value;
  useEffect(() => {
    const lives = livesOf(alert.orders, venue.nowMs);
    const range = rangeOf(lives, alert.timestamp / 1000);
    let chart: uPlot | undefined;
    let isOver = false;
    const draw = (candles: { ticks: number[]; close: number[] }) => {
      if (isOver || place.current === null) return;
      chart = new uPlot(options(place.current.clientWidth, lives, range), [candles.ticks.map((ms) => ms / 1000), candles.close], place.current);
    };
    venue.call("public/get_tradingview_chart_data", {
      instrument_name: alert.instrument_name, resolution: "1",
      start_timestamp: Math.max(0, Math.floor(range[0] * 1000)), end_timestamp: Math.ceil(range[1] * 1000),
    }).then(draw, () => draw(NO_CANDLES));
    const follow = () => chart?.setSize({ width: place.current?.clientWidth ?? 0, height: HEIGHT });
    addEventListener("resize", follow);
    return () => {
      isOver = true;
      removeEventListener("resize", follow);
      chart?.destroy();
    };
  }, [venue, alert, scheme]);
  const told = `${alert.orders.length} ${alert.orders.length === 1 ? "order" : "orders"} of ${alert.accounts.join(", ")} on ${alert.instrument_name}; the table below has them in figures`;
  return <div ref={place} class="chart" role="img" aria-label={told} />;
}

function options(width: number, lives: Life[], range: [number, number]): uPlot.Options {
  const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const clock = (_: uPlot, times: number[]) => times.map((seconds) => clockTime(seconds * 1000));
  const axis = { stroke: colour("--text-dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
  const prices = lives.flatMap((life) => [life.price, ...life.fills.map(({ price }) => price)]);
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    scales: {
      x: { range },
      y: {
        range: (_, least, most) => {
          const low = Math.min(least ?? Infinity, ...prices);
          const high = Math.max(most ?? -Infinity, ...prices);
          const room = Math.max((high - low) * 0.1, high * 1e-4);
          return Number.isFinite(room) ? [low - room, high + room] : [0, 1];
        },
      },
    },
    axes: [{ ...axis, values: clock, space: 80 }, { ...axis, size: 80 }],
    series: [{}, { stroke: colour("--text-dim"), width: 1, label: "price" }],
    hooks: { draw: [(chart) => drawOrders(chart, lives, colour("--up"), colour("--down"))] },
  };
}

function drawOrders(chart: uPlot, lives: Life[], up: string, down: string): void {
  const { ctx } = chart;
  const x = (seconds: number) => chart.valToPos(seconds, "x", true);
  const y = (price: number) => chart.valToPos(price, "y", true);
  ctx.save();
  for (const { fromS, untilS, price, isBuy, isWithdrawn, share, fills } of lives) {
    ctx.strokeStyle = ctx.fillStyle = isBuy ? up : down;
    ctx.lineWidth = (1 + 5 * share) * devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(x(fromS), y(price));
    ctx.lineTo(Math.max(x(untilS), x(fromS) + 2), y(price));
    ctx.stroke();
    if (isWithdrawn) drawCross(ctx, x(untilS), y(price), 4 * devicePixelRatio);
    for (const fill of fills) {
      ctx.beginPath();
      ctx.arc(x(fill.atS), y(fill.price), 4 * devicePixelRatio, 0, 2 * Math.PI);
      ctx.fill();
    }
  }
  ctx.restore();
}

/** Where an order was withdrawn. */
function drawCross(ctx: CanvasRenderingContext2D, x: number, y: number, size: number): void {
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(x - size, y - size);
  ctx.lineTo(x + size, y + size);
  ctx.moveTo(x - size, y + size);
  ctx.lineTo(x + size, y - size);
  ctx.stroke();
}
