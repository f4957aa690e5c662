import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { nodesStore } from "../state/live";
import { preferences } from "../state/preferences";
import { viewLink } from "../state/route";
import { useStore } from "../state/store";
import { captureHealth } from "./capture";

/** The time, again every second, for what counts up. */
export function useNow(everyMs = 1000): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

export function CaptureChip(): JSX.Element {
  const { data, receivedAt } = useStore(nodesStore);
  const zone = useStore(preferences, (p) => p.zone);
  const health = captureHealth(data, receivedAt, useNow(), zone);
  return (
    <a class={`capture-chip ${health.tone}`} href={viewLink("nodes")} aria-label={health.text} data-tip={`${health.text}\nClick: nodes`}>
      <span aria-hidden="true">{health.shape}</span> <span class="capture-text">{health.text}</span>
    </a>
  );
}
