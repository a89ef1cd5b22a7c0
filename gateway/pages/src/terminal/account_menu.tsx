import { useSignal } from "@preact/signals";
import { Dialog } from "../shared/dialog";
import { knownKeys, signOut, useKey } from "./account_feed";
import { isSigningIn } from "./sign_in";
import { accountName, isLoggedIn, venue } from "./state";

/** Who is logged in, and the other accounts of this tab. */
export function AccountMenu() {
  const isOpen = useSignal(false);
  if (!isLoggedIn.value) {
    return (
      <button type="button" class="button primary small" onClick={() => (isSigningIn.value = true)}>
        Sign in
      </button>
    );
  }
  const close = () => (isOpen.value = false);
  const others = knownKeys().filter((one) => one.key !== venue.login.value?.key);
  return (
    <>
      <button
        type="button"
        class="button small account-button"
        aria-haspopup="dialog"
        aria-label={`account ${accountName.value}`}
        onClick={() => (isOpen.value = true)}
      >
        {accountName.value || "account"}
      </button>
      {isOpen.value && (
        <Dialog title="Account" onClose={close}>
          <p>
            Signed in as <strong>{accountName.value}</strong> <span class="dim">key {venue.login.value?.key}</span>
          </p>
          {others.map((one) => (
            <button
              key={one.key}
              type="button"
              class="button wide"
              onClick={() => {
                close();
                useKey(one);
              }}
            >
              Change to key {one.key}
            </button>
          ))}
          <button
            type="button"
            class="button wide"
            onClick={() => {
              close();
              isSigningIn.value = true;
            }}
          >
            Add another account
          </button>
          <p class="dim">
            Each browser tab keeps its own account: open this page in another tab to have two side by side.
          </p>
          <div class="dialog-actions">
            <button
              type="button"
              class="button"
              onClick={() => {
                close();
                signOut();
              }}
            >
              Sign out
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}
