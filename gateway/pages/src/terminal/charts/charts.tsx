import { signal } from "@preact/signals";
import { Tabs } from "../../shared/tabs";
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
      <Tabs
        label="Charts"
        tabs={TABS.map((name) => ({ name, title: name }))}
        chosen={tab.value}
        onChoose={(name) => (tab.value = name)}
      />
      <div class="charts-body" role="tabpanel" aria-label={tab.value}>
        {tab.value === "Price" && <PriceChart {...props} />}
        {tab.value === "Depth" && <DepthChart instrument={instrument} book={book} onPick={onPick} />}
        {tab.value === "Funding" && <FundingChart venue={venue} instrument={instrument} ticker={ticker} />}
      </div>
    </section>
  );
}
