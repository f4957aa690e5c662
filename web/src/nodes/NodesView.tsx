// Up to eight nodes as cards, more as a table. Everything about what is being recorded now, and what was lost.
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { post, request } from "../api/client";
import type { NodeInfo } from "../api/types";
import { lostOf } from "../frame/capture";
import { footerWords } from "../frame/Footer";
import { formatBitrate, formatCount, formatRate, plural } from "../format/quantity";
import { formatClock } from "../format/time";
import { loadNodes, nodesStore } from "../state/live";
import { preferences } from "../state/preferences";
import { useStore } from "../state/store";
import { Button } from "../ui/Button";
import { say, sayError } from "../ui/Toasts";
import { NodeCard } from "./NodeCard";
import { NodeTable } from "./NodeTable";

const mostCards = 8;

async function hold(on: boolean): Promise<void> {
  try {
    if (on) {
      await post("hold", {});
      say("ok", "The present window of all nodes is held. Create the snapshot in your own time; Release lets the rings go on.");
    } else {
      await request("DELETE", "hold");
      say("ok", "The hold is released: the rings go on over their oldest segments.");
    }
    void loadNodes();
  } catch (error) {
    sayError(error);
  }
}

function totals(nodes: NodeInfo[]): string[] {
  const packets = nodes.reduce((sum, n) => sum + n.packets_per_s, 0);
  const bytes = nodes.reduce((sum, n) => sum + n.bytes_per_s, 0);
  const lost = nodes.reduce((sum, n) => sum + lostOf(n.drops), 0);
  return [plural(nodes.length, "node"), formatRate(packets, "packets"), formatBitrate(bytes), `${formatCount(lost)} lost since start`];
}

export function NodesView(): JSX.Element {
  const { data, error } = useStore(nodesStore);
  const zone = useStore(preferences, (p) => (p.zone === "relative" ? "local" : p.zone));
  useEffect(() => {
    footerWords.set(data ? totals(data.nodes) : []);
  }, [data]);
  if (!data) {
    if (!error) return <div class="nodes" aria-busy="true" />;
    return <div class="empty" role="alert"><p>{error}</p><div class="empty-actions"><Button onClick={() => void loadNodes()}>Try again</Button></div></div>;
  }
  const { nodes } = data;
  const held = nodes.map((n) => n.hold_until).filter((at): at is string => at !== null).sort().at(-1);
  if (nodes.length === 0)
    return (
      <div class="empty">
        <p>No node is connected, so nothing is recorded. Start one on the machine whose traffic you want: <code>trawl worker --hub {location.origin}</code></p>
      </div>
    );
  return (
    <div class="nodes" data-region="table">
      <div class="toolbar">
        <h2>Nodes</h2>
        <span class="hint">{totals(nodes).join(" · ")}</span>
        <span class="grow" />
        {held && <span class="hint">held until {formatClock(held, zone)}</span>}
        {held ? <Button onClick={() => void hold(false)}>Release</Button>
          : <Button onClick={() => void hold(true)} tip="Pins what all nodes hold now, before anybody has decided what to take">Hold</Button>}
      </div>
      {nodes.length > mostCards ? <NodeTable nodes={nodes} /> : <div class="node-cards">{nodes.map((node) => <NodeCard node={node} key={node.name} />)}</div>}
    </div>
  );
}
