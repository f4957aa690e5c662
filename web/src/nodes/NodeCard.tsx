import type { ComponentChildren, JSX } from "preact";
import type { NodeInfo } from "../api/types";
import { lostOf, silenceOf } from "../frame/capture";
import { useNow } from "../frame/CaptureChip";
import { formatBitrate, formatBytes, formatBytesOf, formatCount, formatExactCount, formatRate, formatSpan, plural } from "../format/quantity";
import { formatBoth, formatClock } from "../format/time";
import { nodesStore } from "../state/live";
import { preferences } from "../state/preferences";
import { useStore } from "../state/store";
import { Captured, CutMiddle } from "../ui/Captured";
import { GapWords } from "../snapshots/GapList";
import { Sparkline } from "./Sparkline";
import { clockWords, retentionOf, stateWords } from "./retention";

function Fact({ word, tone = "", tip, children }: { word: string; tone?: string; tip?: string; children: ComponentChildren }): JSX.Element {
  return (
    <div class="fact" data-tip={tip || undefined}>
      <dt>{word}</dt>
      <dd class={tone}>{children}</dd>
    </div>
  );
}

export function NodeCard({ node }: { node: NodeInfo }): JSX.Element {
  const { data, receivedAt, rates } = useStore(nodesStore);
  const zone = useStore(preferences, (p) => (p.zone === "relative" ? "local" : p.zone));
  const now = useNow();
  const quiet = data ? silenceOf(node, data, receivedAt, now) : 0;
  const state = quiet > 5 ? "silent" : node.state;
  const lost = lostOf(node.drops);
  const recent = lostOf(node.drops_5min);
  const retention = retentionOf(node, zone);
  const fill = node.ring.budget_bytes > 0 ? node.ring.bytes / node.ring.budget_bytes : 0;
  return (
    <article class="node-card" aria-label={node.name}>
      <header>
        <h3 class="mono"><CutMiddle text={node.name} tail={10} /></h3>
        <span class={`node-state ${state === "recording" ? "tone-ok" : state === "silent" ? "tone-error" : "tone-warn"}`}>
          {state === "recording" ? "●" : state === "silent" ? "✕" : "▲"} {stateWords[state]}
        </span>
      </header>
      {(state !== "recording" || node.state_detail) && <p class="node-why">{state === "silent" ? (Number.isFinite(quiet) ? `Not heard for ${formatSpan(Math.floor(quiet))}. What it recorded before is still in its ring.` : "Never heard since the hub started.") : <Captured text={node.state_detail} />}</p>}
      <Sparkline values={rates.get(node.name) ?? []} label={`Packets per second, the last five minutes, now ${Math.round(node.packets_per_s)}`} />
      <dl class="facts">
        <Fact word="Packets" tip={`${formatExactCount(node.packets)} since start\n${formatExactCount(node.excluded_packets)} of Trawl's own left out`}>{formatRate(node.packets_per_s, "packets")} · {formatBitrate(node.bytes_per_s)}</Fact>
        <Fact word="Back to" tone={retention.short ? "tone-warn" : ""} tip={node.ring.oldest ? formatBoth(node.ring.oldest) : ""}>{retention.words}</Fact>
        <Fact word="Ring" tip={`${formatExactCount(node.ring.segments)} segments`}>
          <span class="fact-bar">
            {formatBytesOf(node.ring.bytes, node.ring.budget_bytes)}
            <svg width="64" height="6" aria-hidden="true"><rect width="64" height="6" class="bar-back" /><rect width={64 * Math.min(1, fill)} height="6" class="ring-fill" /></svg>
          </span>
        </Fact>
        <Fact word="Lost" tone={recent > 0 ? "tone-error" : lost > 0 ? "tone-warn" : ""} tip={`kernel ${formatExactCount(node.drops.kernel)} · ring ${formatExactCount(node.drops.ring)} · disk ${formatExactCount(node.drops.disk)}`}>
          {formatCount(lost)}{recent > 0 ? ` · ${formatCount(recent)} in 5 min` : " since start"}
        </Fact>
        <Fact word="Heartbeat" tip={node.heartbeat_at ? formatBoth(node.heartbeat_at) : "never"}>{Number.isFinite(quiet) ? `${quiet < 1.5 ? "now" : `${formatSpan(Math.floor(quiet))} ago`}` : "never"}</Fact>
        <Fact word="Clock" tip="Offset against the hub">{clockWords(node.clock_offset_ns)}</Fact>
        <Fact word="Version">{node.version || <span class="unknown">unknown</span>}</Fact>
        {node.hold_until && <Fact word="Held until">{formatClock(node.hold_until, zone)}</Fact>}
      </dl>
      {retention.advice && <p class="hint">{retention.advice}</p>}
      <table class="interfaces">
        <thead><tr><th>Interface</th><th class="right">Packets</th><th class="right">Lost</th><th>State</th></tr></thead>
        <tbody>
          {node.interfaces.map((i) => (
            <tr key={i.name}>
              <td class="mono"><Captured text={i.name} /></td>
              <td class="mono right" data-tip={formatExactCount(i.packets)}>{formatCount(i.packets)}</td>
              <td class="mono right">{i.dropped === null ? <span class="unknown" data-tip="The kernel counts losses per socket, and this interface shares one">unknown</span> : formatCount(i.dropped)}</td>
              <td>{i.up ? "up" : "down"}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {node.gaps.length > 0 && (
        <div class="node-gaps">
          <h4>Not recorded{node.gaps.length > 5 && <span class="hint"> the last 5 of {node.gaps.length}</span>}</h4>
          <ul>{node.gaps.slice(-5).map((gap) => <li key={gap.from} class="gap-line"><span class="gap-swatch" aria-hidden="true" /><GapWords gap={gap} /></li>)}</ul>
        </div>
      )}
      <p class="hint mono">{formatBytes(node.ring.bytes)} in {plural(node.ring.segments, "segment")} · <Captured text={node.address} /></p>
    </article>
  );
}
