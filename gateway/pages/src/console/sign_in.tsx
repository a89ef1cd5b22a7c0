import { useSignal } from "@preact/signals";
import { keepCredentials } from "../shared/session";
import type { Venue } from "../shared/venue";
import { KEYS, learnOfficer, officer } from "./state";

/** The form in which an officer logs in: with the key file that the command line uses, or with its two texts. */
export function SignIn({ venue }: { venue: Venue }) {
  const key = useSignal("");
  const secret = useSignal("");
  const fault = useSignal("");
  const isBusy = useSignal(false);
  const readFile = async (event: Event) => {
    const [file] = (event.currentTarget as HTMLInputElement).files ?? [];
    if (file === undefined) return;
    try {
      const found = JSON.parse(await file.text()) as { id?: unknown; secret?: unknown };
      if (typeof found.id !== "string" || typeof found.secret !== "string") throw new Error();
      key.value = found.id;
      secret.value = found.secret;
      fault.value = "";
    } catch {
      fault.value = `${file.name} is no key file: it must have id and secret, as lionrock admin init writes them`;
    }
  };
  const logIn = async (event: Event) => {
    event.preventDefault();
    if (isBusy.value) return;
    isBusy.value = true;
    const credentials = { key: key.value.trim(), secret: secret.value.trim() };
    try {
      await venue.logIn(credentials);
      await learnOfficer(venue);
      if (officer.value === null) throw new Error("this key belongs to a trading account; use an officer's key");
      keepCredentials(KEYS, [credentials]);
    } catch (error) {
      if (officer.value === null && venue.login.value !== null) venue.logOut();
      fault.value = (error as Error).message;
    } finally {
      isBusy.value = false;
    }
  };
  return (
    <form class="panel sign-in form" onSubmit={logIn}>
      <h2>Log in as an officer</h2>
      <label class="field">
        <span>Key file</span>
        <input type="file" class="input" onChange={readFile} />
      </label>
      <label class="field">
        <span>Key id</span>
        <input class="input" required autocomplete="username" value={key.value} onInput={(event) => (key.value = event.currentTarget.value)} />
      </label>
      <label class="field">
        <span>Secret</span>
        <input class="input" type="password" required autocomplete="current-password" value={secret.value}
          onInput={(event) => (secret.value = event.currentTarget.value)} />
      </label>
      {fault.value !== "" && <p class="banner" role="alert">{fault}</p>}
      <button type="submit" class="button primary" disabled={isBusy.value}>Log in</button>
      <p class="dim">The key stays in this tab, and ends with it. The secret signs the login and is not sent over https or on this machine.</p>
    </form>
  );
}
