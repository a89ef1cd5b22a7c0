import { useSignal } from "@preact/signals";
import { useOnce } from "../shared/once";
import { keepCredentials } from "../shared/session";
import type { Venue } from "../shared/venue";
import { Fault } from "./fault";
import { KEYS, learnOfficer, officer } from "./state";

/** The form in which an officer logs in: with the key file that the command line uses, or with its two texts. */
export function SignIn({ venue }: { venue: Venue }) {
  const key = useSignal("");
  const secret = useSignal("");
  const { once, isBusy, fault } = useOnce();
  const read = async (file: File) => {
    const found = await file.text().then(JSON.parse).catch(() => null);
    if (typeof found?.id !== "string" || typeof found.secret !== "string")
      throw new Error(`${file.name} is no key file: it must have id and secret, as lionrock admin init writes them`);
    key.value = found.id;
    secret.value = found.secret;
  };
  const logIn = async () => {
    const credentials = { key: key.value.trim(), secret: secret.value.trim() };
    try {
      await venue.logIn(credentials);
      await learnOfficer(venue);
      if (officer.value === null) throw new Error("this key belongs to a trading account; use an officer's key");
      keepCredentials(KEYS, [credentials]);
    } catch (error) {
      if (officer.value === null && venue.login.value !== null) venue.logOut();
      throw error;
    }
  };
  return (
    <form class="panel sign-in form" onSubmit={(event) => {
      event.preventDefault();
      void once(logIn);
    }}>
      <h2>Log in as an officer</h2>
      <label class="field">
        <span>Key file</span>
        <input type="file" class="input" onChange={(event) => {
          const [file] = event.currentTarget.files ?? [];
          if (file !== undefined) void once(() => read(file));
        }} />
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
      <Fault text={fault.value} />
      <button type="submit" class="button primary" disabled={isBusy.value}>Log in</button>
      <p class="dim">The key stays in this tab, and ends with it. The secret signs the login and is not sent over https or on this machine.</p>
    </form>
  );
}
