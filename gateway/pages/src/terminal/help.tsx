import { signal } from "@preact/signals";
import { Dialog } from "../shared/dialog";
import { KEYS } from "./keys";

/** Whether the help is open. */
export const isHelping = signal(false);

export function Help() {
  if (!isHelping.value) return null;
  return (
    <Dialog title="Keys" onClose={() => (isHelping.value = false)}>
      <table class="figures" aria-label="keys">
        <tbody>
          {KEYS.map(({ key, does }) => (
            <tr key={key}>
              <th scope="row">
                <kbd>{key}</kbd>
              </th>
              <td>{does}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="dim">Keys work where no text is being written. Buy and sell by key always ask first.</p>
      <p class="dim">
        Times are in your zone; point at one for UTC. Charts: Lightweight Charts by TradingView (Apache-2.0), uPlot
        (MIT).
      </p>
    </Dialog>
  );
}
