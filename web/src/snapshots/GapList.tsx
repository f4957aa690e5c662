// What was not recorded, whole: from, to, how long and why. One line a gap, wrapped and never cut; nanoseconds in the tooltip and the markup.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Snapshot } from "../api/types";
import { formatExactSeconds, formatGap } from "../format/quantity";
import { formatBoth, formatEnds, spanNs } from "../format/time";
import { preferences } from "../state/preferences";
import { useStore } from "../state/store";
import { Button } from "../ui/Button";
import { Captured } from "../ui/Captured";
import { gapsOf, reasonWords } from "./status";

export function GapWords({ gap }: { gap: { from: string; to: string; reason: string } }): JSX.Element {
  const zone = useStore(preferences, (p) => (p.zone === "relative" ? "local" : p.zone));
  const [from, to] = formatEnds(gap.from, gap.to, zone);
  const length = spanNs(gap.from, gap.to);
  return (
    <>
      <span class="mono gap-ends">
        <time dateTime={gap.from} data-tip={formatBoth(gap.from)}>{from}</time> – <time dateTime={gap.to} data-tip={formatBoth(gap.to)}>{to}</time>
      </span>{" "}
      <span class="mono gap-length" data-tip={formatExactSeconds(length)}>{formatGap(length)}</span>{" "}
      <span class="gap-reason" data-reason={gap.reason}>{reasonWords(gap.reason)}</span>
    </>
  );
}

const fewGaps = 20;

export function GapList({ snapshot }: { snapshot: Snapshot }): JSX.Element | null {
  const [all, setAll] = useState(false);
  const gaps = gapsOf(snapshot);
  if (gaps.length === 0) return null;
  const shown = all ? gaps : gaps.slice(0, fewGaps);
  const several = snapshot.nodes.length > 1;
  return (
    <section class="gap-list">
      <h3>Not recorded</h3>
      <ul>
        {shown.map((gap) => (
          <li key={`${gap.node}${gap.from}${gap.reason}`} class="gap-line" data-node={gap.node}>
            <span class="gap-swatch" aria-hidden="true" />
            {several && <span class="gap-node"><Captured text={gap.node} /></span>} <GapWords gap={gap} />
          </li>
        ))}
      </ul>
      {shown.length < gaps.length && <Button kind="link" onClick={() => setAll(true)}>{`Show all ${gaps.length} gaps`}</Button>}
    </section>
  );
}
