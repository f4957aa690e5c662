// Said over every view as long as it is true.
import type { JSX } from "preact";
import { connection, retryNow } from "../api/events";
import { formatSpan } from "../format/quantity";
import { useStore } from "../state/store";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { useNow } from "./CaptureChip";

const patienceMs = 1500; // shorter hiccups are not worth a line that moves the page

function Reconnecting({ since, retryAt }: { since: number; retryAt: number }): JSX.Element | null {
  const now = useNow(500);
  if (now - since < patienceMs) return null;
  const wait = Math.ceil((retryAt - now) / 1000);
  return (
    <div class="banner warn" role="status">
      <Icon name="warning" />
      <span>
        Connection to the hub lost {formatSpan(Math.floor((now - since) / 1000))} ago. Recording goes on at the nodes. {wait > 0 ? `Trying again in ${wait} s.` : "Trying again."}
      </span>
      <Button kind="link" onClick={retryNow}>Now</Button>
    </div>
  );
}

export function Banner(): JSX.Element | null {
  const state = useStore(connection);
  return state.state === "down" ? <Reconnecting since={state.since} retryAt={state.retryAt} /> : null;
}
