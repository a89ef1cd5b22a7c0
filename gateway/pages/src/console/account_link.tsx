/** An account's name that leads to its orders. */
export function AccountLink({ name }: { name: string }) {
  return <a class="plain-link" href={`#/audit/${encodeURIComponent(name)}`} title={`Orders of ${name}`}>{name}</a>;
}
