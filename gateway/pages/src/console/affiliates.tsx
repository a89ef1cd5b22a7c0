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
          { head: "Client", cell: ({ client }) => client },
          { head: "Account", cell: ({ account }) => account },
          { head: "Approved for", cell: ({ approval }) => approval?.instrument_name ?? <span class="warn">nothing</span>, file: ({ approval }) => approval?.instrument_name },
          { head: "From", cell: ({ approval }) => approval?.valid_from ?? "–" },
          { head: "Through", cell: ({ approval }) => approval?.valid_through ?? "–" },
          { head: "Answers for conflicts", cell: ({ approval }) => approval?.responsible_officer ?? "–" },
          { head: "Information barriers, SHA-256", wide: ({ approval }) => approval?.information_barriers_hash },
          {
            head: "",
            cell: ({ client }) => isCompliance.value && (
              <button type="button" class="button small down-button" aria-label={`Suspend ${client}`} onClick={() => askFor("suspend_affiliate", { client })}>
                Suspend…
              </button>
            ),
          },
        ]} />
    </>
  );
}
