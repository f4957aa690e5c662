import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { signIn } from "../api/client";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";

export function SignIn({ ended, linkError }: { ended: boolean; linkError: string }): JSX.Element {
  const [token, setToken] = useState("");
  const [error, setError] = useState(linkError);
  const [busy, setBusy] = useState(false);
  const submit = async (): Promise<void> => {
    if (busy) return;
    if (!token.trim()) return setError("Paste the token first. `trawl token show` prints it.");
    setBusy(true);
    setError((await signIn(token.trim())) ?? "");
    setBusy(false);
  };
  return (
    <main class="sign-in">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <h1><Icon name="mark" /> Trawl</h1>
        <p>{ended ? "Your session ended. Sign in again: filter and place are kept." : "Sign in with the token of this hub."}</p>
        <label for="token">Token</label>
        <input id="token" class="input" type="password" autocomplete="current-password" spellcheck={false} autofocus value={token} aria-invalid={error !== ""} aria-describedby="token-help" onInput={(event) => setToken(event.currentTarget.value)} />
        {error && <p class="field-error" role="alert">{error}</p>}
        <p id="token-help" class="hint">
          <code>trawl up</code> prints a link with the token when it starts; <code>trawl token</code> prints the token again.
        </p>
        <Button kind="primary" type="submit" disabled={busy ? "Asking the hub" : false}>Sign in</Button>
      </form>
    </main>
  );
}
