import type { Venue } from "../shared/venue";

/** The whole console. */
export function App({ venue }: { venue: Venue }) {
  return (
    <header>
      <h1>Lionrock console</h1>
      <span role="status">{venue.connection}</span>
    </header>
  );
}
