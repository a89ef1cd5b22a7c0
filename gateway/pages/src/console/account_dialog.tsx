import { Dialog } from "../shared/dialog";
import { shown } from "../shared/numbers";
import type { Venue } from "../shared/venue";
import { useAsked } from "./asked";
import { Fault } from "./fault";
import { words } from "./words";

interface Explained {
  account: string;
  client: string;
  statement: Record<string, unknown> & { positions?: Record<string, unknown>[]; orders?: Record<string, unknown>[] };
  rules: { reason: string; met: boolean; detail: string }[];
}

/** One account's margin line by line, as the engine says it, and its rules of admission. */
export function AccountDialog({ venue, account, onClose }: { venue: Venue; account: string; onClose(): void }) {
  const asked = useAsked<Explained>(venue, "venue/admin/explain_account", { account }, 5000);
  const found = asked.data.value;
  return (
    <Dialog title={`Account ${account}`} onClose={onClose}>
      <Fault text={asked.error.value} />
      {found !== null && (
        <>
          <p>Client: <b>{found.client}</b></p>
          <Lines of={found.statement} />
          {(found.statement.positions ?? []).map((position, place) => (
            <section key={place}><h3>Position {place + 1}</h3><Lines of={position} /></section>
          ))}
          {(found.statement.orders ?? []).length > 0 && <p>{found.statement.orders!.length} open orders</p>}
          <h3>Rules of admission</h3>
          <ul class="troubles">
            {found.rules.map(({ reason, met, detail }) => (
              <li><span class={met ? "up" : "down"}>{met ? "✓" : "✗"} {reason}</span>{detail !== "" && `: ${detail}`}</li>
            ))}
          </ul>
        </>
      )}
    </Dialog>
  );
}

/** The figures of a statement: millionths as amounts, everything else as it is. */
function Lines({ of }: { of: Record<string, unknown> }) {
  const simple = Object.entries(of).filter(([, value]) => typeof value !== "object" || value === null);
  return (
    <dl class="figures">
      {simple.map(([name, value]) => (
        <div>
          <dt>{words(name.replace(/_micros$/, ""))}</dt>
          <dd>{name.endsWith("_micros") && typeof value === "number" ? shown(value / 1e6, 6) : String(value)}</dd>
        </div>
      ))}
    </dl>
  );
}
