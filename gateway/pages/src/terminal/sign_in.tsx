import { signal, useSignal } from "@preact/signals";
import { Dialog } from "../shared/dialog";
import { useOnce } from "../shared/once";
import { knownKeys, signIn, useKey } from "./account_feed";
import { venue } from "./state";
import { sayReason } from "./words";

/** Whether the sign-in dialog is open. */
export const isSigningIn = signal(false);

export function SignIn() {
  return isSigningIn.value ? <SignInDialog /> : null;
}

function SignInDialog() {
  const key = useSignal("");
  const secret = useSignal("");
  const { once, isBusy, fault } = useOnce(sayReason);
  const close = () => (isSigningIn.value = false);
  const submit = async () => {
    await signIn({ key: key.value.trim(), secret: secret.value.trim() });
    close();
  };
  const others = knownKeys().filter((one) => one.key !== venue.login.value?.key);
  return (
    <Dialog title="Sign in" onClose={close}>
      <p class="dim">With a key of your account. It stays in this browser tab and ends with it.</p>
      <form
        class="sign-in"
        onSubmit={(event) => {
          event.preventDefault();
          void once(submit);
        }}
      >
        <label class="field">
          <span>Key id</span>
          <input
            value={key.value}
            onInput={(event) => (key.value = event.currentTarget.value)}
            autocomplete="username"
            spellcheck={false}
            required
          />
        </label>
        <label class="field">
          <span>Secret</span>
          <input
            type="password"
            value={secret.value}
            onInput={(event) => (secret.value = event.currentTarget.value)}
            autocomplete="current-password"
            required
          />
        </label>
        {fault.value !== "" && (
          <p class="problem" role="alert">
            {fault.value}
          </p>
        )}
        <div class="dialog-actions">
          <button class="button primary" disabled={isBusy.value}>
            Sign in
          </button>
        </div>
      </form>
      {others.length > 0 && (
        <div>
          <h3>Other keys of this tab</h3>
          {others.map((one) => (
            <button
              key={one.key}
              type="button"
              class="button wide"
              onClick={() => {
                useKey(one);
                close();
              }}
            >
              {one.key}
            </button>
          ))}
        </div>
      )}
    </Dialog>
  );
}
