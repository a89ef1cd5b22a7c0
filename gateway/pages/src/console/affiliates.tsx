import type { Venue } from "../shared/venue";
import { useAsked } from "./asked";
import { askFor } from "./change_dialog";
import type { Affiliate } from "./console_types";
import { isCompliance } from "./state";
import { Table } from "./table";

interface Row extends Affiliate {
  approval: Affiliate["approvals"][number] | null;
}

/** A row for each approval, and one for a maker without any. */
function rowsOf(maker: Affiliate): Row[] {
  const approvals = maker.approvals.length > 0 ? maker.approvals : [null];
  return approvals.map((approval) => ({ ...maker, approval }));
}

/** Market makers of the operator's group: for what each is approved, who answers for conflicts, and how to stop one. */
export function Affiliates({ venue }: { venue: Venue }) {
  const asked = useAsked<Affiliate[]>(venue, "venue/admin/list_affiliates", {});
  const rows = asked.data.value?.flatMap(rowsOf) ?? null;
  return (
    <>
      {isCompliance.value && (
        <span class="actions">
          <button type="button" class="button" onClick={() => askFor("approve_affiliate")}>Approve a contract…</button>
          <button type="button" class="button" onClick={() => askFor("set_affiliation", { affiliation: "group_company" })}>Mark a client as group company…</button>
        </span>
      )}
      <Table name="Affiliated makers" rows={rows} error={asked.error.value} empty="No client is a group company."
        keyOf={({ account, approval }) => `${account} ${approval?.instrument_name ?? ""}`}
        columns={[
          { title: "Client", of: ({ client }) => client },
          { title: "Account", of: ({ account }) => account },
          { title: "Approved for", of: ({ approval }) => approval?.instrument_name ?? <span class="warn">nothing</span>, file: ({ approval }) => approval?.instrument_name },
          { title: "From", of: ({ approval }) => approval?.valid_from ?? "–" },
          { title: "Through", of: ({ approval }) => approval?.valid_through ?? "–" },
          { title: "Answers for conflicts", of: ({ approval }) => approval?.responsible_officer ?? "–" },
          { title: "Information barriers, SHA-256", of: ({ approval }) => <span class="wraps">{approval?.information_barriers_hash ?? "–"}</span>, file: ({ approval }) => approval?.information_barriers_hash },
          {
            title: "",
            of: ({ client }) => isCompliance.value && (
              <button type="button" class="button small down-button" aria-label={`Suspend ${client}`} onClick={() => askFor("suspend_affiliate", { client })}>
                Suspend…
              </button>
            ),
          },
        ]} />
    </>
  );
}
