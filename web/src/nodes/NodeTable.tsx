import { Fragment, type JSX } from "preact";
import { useState } from "preact/hooks";
import type { NodeInfo } from "../api/types";
import { lostOf, silenceOf } from "../frame/capture";
import { useNow } from "../frame/CaptureChip";
import { formatBitrate, formatBytesOf, formatCount } from "../format/quantity";
import { nodesStore } from "../state/live";
import { preferences } from "../state/preferences";
import { useStore } from "../state/store";
import { CutMiddle } from "../ui/Captured";
import { NodeCard } from "./NodeCard";
import { clockWords, retentionOf, stateWords } from "./retention";

export function NodeTable({ nodes }: { nodes: NodeInfo[] }): JSX.Element {
  const { data, receivedAt } = useStore(nodesStore);
  const zone = useStore(preferences, (p) => (p.zone === "relative" ? "local" : p.zone));
  const now = useNow();
  const [open, setOpen] = useState("");
  return (
    <div class="table-scroll">
      <table class="node-table">
        <thead>
          <tr><th>Node</th><th>State</th><th>Back to</th><th class="right">Fill</th><th class="right">Mbit/s</th><th class="right">packets/s</th><th class="right">Lost</th><th class="right">Clock</th><th>Version</th></tr>
        </thead>
        <tbody>
          {nodes.map((node) => {
            const state = data && silenceOf(node, data, receivedAt, now) > 5 ? "silent" : node.state;
            const retention = retentionOf(node, zone);
            const lost = lostOf(node.drops);
            return (
              <Fragment key={node.name}>
                <tr class={open === node.name ? "open" : ""}>
                  <td><button type="button" class="node-name mono" aria-expanded={open === node.name} onClick={() => setOpen(open === node.name ? "" : node.name)}><CutMiddle text={node.name} tail={10} /></button></td>
                  <td class={state === "recording" ? "tone-ok" : state === "silent" ? "tone-error" : "tone-warn"} data-tip={node.state_detail || undefined}>{state === "recording" ? "●" : state === "silent" ? "✕" : "▲"} {stateWords[state]}</td>
                  <td class={`mono ${retention.short ? "tone-warn" : ""}`} data-tip={retention.advice || undefined}>{retention.words}</td>
                  <td class="mono right">{formatBytesOf(node.ring.bytes, node.ring.budget_bytes)}</td>
                  <td class="mono right">{formatBitrate(node.bytes_per_s).replace(" Mbit/s", "")}</td>
                  <td class="mono right">{formatCount(Math.round(node.packets_per_s))}</td>
                  <td class={`mono right ${lost > 0 ? "tone-warn" : ""}`}>{formatCount(lost)}</td>
                  <td class="mono right">{clockWords(node.clock_offset_ns)}</td>
                  <td class="mono">{node.version}</td>
                </tr>
                {open === node.name && <tr class="node-drawer"><td colSpan={9}><NodeCard node={node} /></td></tr>}
              </Fragment>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
