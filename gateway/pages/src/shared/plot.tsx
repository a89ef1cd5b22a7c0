import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { theme } from "./theme";
import { coloursAt, type Colours } from "./colours";

interface Props {
  /** Size, colours and data are added here; give the same function as long as the same is drawn. */
  options(colours: Colours): Omit<uPlot.Options, "width" | "height">;
  label: string;
  onReady(plot: uPlot | null): void;
}

/** A uPlot as large as its place, made anew in the colours of a new theme. */
export function Plot({ options, label, onReady }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const shownTheme = theme.value;
  useEffect(() => {
    const element = host.current!;
    const size = () => ({ width: Math.max(element.clientWidth, 50), height: Math.max(element.clientHeight, 50) });
    const plot = new uPlot({ ...options(coloursAt(element)), ...size() }, undefined, element);
    const sizes = new ResizeObserver(() => plot.setSize(size()));
    sizes.observe(element);
    onReady(plot);
    return () => {
      sizes.disconnect();
      onReady(null);
      plot.destroy();
    };
  }, [options, shownTheme]);
  return <div class="uplot-host" ref={host} role="img" aria-label={label} />;
}

/** An axis in the page's colours and type. */
export function axis(colours: Colours, more: uPlot.Axis = {}): uPlot.Axis {
  return {
    stroke: colours.dim, grid: { stroke: colours.line, width: 1 }, ticks: { stroke: colours.line, width: 1 },
    font: `11px ${getComputedStyle(document.body).fontFamily}`, ...more,
  };
}
