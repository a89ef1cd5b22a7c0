import { signal } from "@preact/signals";
import "./charts.css";
import { DepthChart, type DepthChartProps } from "./depth_chart";
import { FundingChart } from "./funding_chart";
import { PriceChart, type PriceChartProps } from "./price_chart";

export interface ChartsProps extends PriceChartProps, DepthChartProps {}

const TABS = ["Price", "Depth", "Funding"] as const;
const tab = signal<(typeof TABS)[number]>("Price");

/** The charts of a contract, one at a time: what is not shown is not drawn. */
export function Charts(props: ChartsProps) {
  const { venue, instrument, ticker, book, onPick } = props;
  return (
    <section class="charts" aria-label="Charts">
      <div class="tabs" role="tablist" aria-label="Charts">
        {TABS.map((one) => (
          <button
            type="button"
            key={one}
            role="tab"
            id={`charts-tab-${one}`}
            aria-selected={one === tab.value}
            aria-controls="charts-body"
            tabIndex={one === tab.value ? 0 : -1}
            onClick={() => (tab.value = one)}
            onKeyDown={(event) => changeTab(event)}
          >
            {one}
          </button>
        ))}
      </div>
      <div class="charts-body" id="charts-body" role="tabpanel" aria-labelledby={`charts-tab-${tab.value}`}>
        {tab.value === "Price" && <PriceChart {...props} />}
        {tab.value === "Depth" && <DepthChart instrument={instrument} book={book} onPick={onPick} />}
        {tab.value === "Funding" && <FundingChart venue={venue} instrument={instrument} ticker={ticker} />}
      </div>
    </section>
  );
}

function changeTab(event: KeyboardEvent): void {
  const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
  if (step === 0) return;
  event.preventDefault();
  tab.value = TABS[(TABS.indexOf(tab.value) + step + TABS.length) % TABS.length]!;
  document.getElementById(`charts-tab-${tab.value}`)?.focus();
}
