import { chooseInstrument } from "./market_feed";
import { instrumentName, instruments, ticker, venue } from "./state";

/** The whole terminal. */
export function App() {
  return (
    <header class="header">
      <h1>Lionrock</h1>
      <select
        aria-label="contract"
        value={instrumentName.value}
        onChange={(event) => chooseInstrument(event.currentTarget.value)}
      >
        {instruments.value.map((one) => (
          <option key={one.instrument_name}>{one.instrument_name}</option>
        ))}
      </select>
      <span>{ticker.value?.mark_price}</span>
      <span role="status">{venue.connection}</span>
    </header>
  );
}
