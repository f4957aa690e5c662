// Why there are no rows, and what to do about it.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get } from "../api/client";
import type { EntriesResponse, Problem, Snapshot } from "../api/types";
import { formatCount, formatPercent, formatRate, plural } from "../format/quantity";
import { formatMinute } from "../format/time";
import { nodesStore } from "../state/live";
import { preferences } from "../state/preferences";
import { go, routeStore } from "../state/route";
import { useStore } from "../state/store";
import { Button } from "../ui/Button";
import { Captured } from "../ui/Captured";
import { dissect } from "../snapshots/actions";
import { displayStatus, failedDissection, failureReason } from "../snapshots/status";
import { clausesOf, joinClauses } from "./clauses";
import { lookBack } from "./lookBack";
import type { Shown } from "./source";
import type { EntryQuery } from "./useEntries";

function Empty({ text, children }: { text: ComponentChildren; children?: ComponentChildren }): JSX.Element {
  return (
    <div class="empty" role="status">
      <p>{text}</p>
      {children && <div class="empty-actions">{children}</div>}
    </div>
  );
}

const lookBackSeconds = 900;

function Live(): JSX.Element {
  const nodes = useStore(nodesStore, (n) => n.data?.nodes ?? []);
  const zone = useStore(preferences, (p) => (p.zone === "relative" ? "local" : p.zone));
  const oldest = nodes.map((n) => n.ring.oldest).filter((at): at is string => at !== null).sort()[0];
  const packets = nodes.reduce((sum, n) => sum + n.packets_per_s, 0);
  const recording = nodes.filter((n) => n.state === "recording").length;
  return (
    <Empty text={<>The dashboard shows calls of snapshots; live calls are read with <code>trawl live on</code> and <code>trawl entries --source live</code>. {recording > 0 ? `Recording goes on${oldest ? `, back to ${formatMinute(oldest, zone)}` : ""}: ${plural(recording, "node")}, ${formatRate(packets, "packets")}.` : "No node is recording."}</>}>
      <Button kind="primary" onClick={() => void lookBack(lookBackSeconds)}>Look back 15 min</Button>
      <Button onClick={() => void lookBack(300)}>Look back 5 min</Button>
      <Button kind="link" onClick={() => go({ view: "snapshots" })}>Show snapshots</Button>
    </Empty>
  );
}

function Progress({ snapshot }: { snapshot: Snapshot }): JSX.Element {
  const zone = useStore(preferences, (p) => (p.zone === "relative" ? "local" : p.zone));
  const status = displayStatus(snapshot, zone);
  return (
    <Empty text={<>"<Captured text={snapshot.name} />": {status.word}{status.detail ? ` · ${status.detail}` : ""}. It opens here by itself.</>}>
      <progress max={1} value={status.share} aria-label={status.word}>{formatPercent(status.share)}</progress>
    </Empty>
  );
}

/** What the view shows instead of a table, or null when there is a table. */
export function NotReadable({ shown }: { shown: Shown }): JSX.Element | null {
  switch (shown.kind) {
    case "live": return <Live />;
    case "gone": return (
      <Empty text="This link names a snapshot that was deleted, or that you may not see.">
        <Button onClick={() => go({ view: "snapshots", source: "", entry: "", filter: "", from: "", to: "" })}>Show snapshots</Button>
      </Empty>
    );
    case "creating": return <Progress snapshot={shown.snapshot} />;
    case "dissecting": return <Progress snapshot={shown.snapshot} />;
    case "undissected": {
      const { snapshot } = shown;
      if (snapshot.status === "Failed")
        return <Empty text={<>"<Captured text={snapshot.name} />" failed: <Captured text={snapshot.status_detail} />. There is nothing to read.</>}><Button onClick={() => go({ view: "snapshots", open: snapshot.id })}>Show it</Button></Empty>;
      const failed = failedDissection(snapshot);
      return (
        <Empty text={<>"<Captured text={snapshot.name} />" has packets but is not dissected.{failed && <> Dissection stopped at {Math.floor(failed.progress.percent)} %: <Captured text={failureReason(failed).replace(/\.$/, "")} />.</>}</>}>
          <Button kind="primary" onClick={() => void dissect(snapshot)}>{failed ? "Retry" : "Dissect"}</Button>
          <span class="hint">PCAP works without</span>
        </Empty>
      );
    }
    default: return null;
  }
}

/** The clause whose removal helps most, asked from the hub. */
function useCulprit(query: EntryQuery): { clause: string; rest: string; count: number; lower: boolean } | null {
  const [culprit, setCulprit] = useState<{ clause: string; rest: string; count: number; lower: boolean } | null>(null);
  useEffect(() => {
    setCulprit(null);
    const clauses = clausesOf(query.filter);
    if (clauses.length === 0 || clauses.length > 8) return;
    const stop = new AbortController();
    void Promise.all(
      clauses.map(async (clause, i) => {
        const rest = joinClauses(clauses.filter((_, j) => j !== i));
        const answer = await get<EntriesResponse>("entries", { ...query, order: "-time", filter: rest, limit: 1 }, stop.signal);
        return { clause, rest, count: answer.total, lower: answer.total_is_lower_bound };
      }),
    ).then((all) => {
      const best = all.filter((x) => x.count > 0).sort((a, b) => a.count - b.count)[0];
      if (best) setCulprit(best);
    }, () => undefined);
    return () => stop.abort();
  }, [JSON.stringify(query)]);
  return culprit;
}

export function NoMatch({ query, of }: { query: EntryQuery; of: number }): JSX.Element {
  const culprit = useCulprit(query);
  const route = useStore(routeStore);
  const zone = useStore(preferences, (p) => (p.zone === "relative" ? "local" : p.zone));
  if (of === 0) return <Empty text="No calls in a known protocol. The packets are in the snapshot: the PCAP export has them."><Button onClick={() => go({ view: "snapshots" })}>Show snapshots</Button></Empty>;
  if (!route.filter)
    return (
      <Empty text={`No calls between ${route.from ? formatMinute(route.from, zone) : "the start"} and ${route.to ? formatMinute(route.to, zone) : "the end"}.`}>
        <Button onClick={() => go({ from: "", to: "" })}>Widen to all</Button>
      </Empty>
    );
  return (
    <Empty text={<>0 of {formatCount(of)} calls match.{culprit && <> Without <code><Captured text={culprit.clause} /></code>: {formatCount(culprit.count, culprit.lower)}.</>}</>}>
      {culprit && <Button kind="primary" onClick={() => go({ filter: culprit.rest })}>Remove it</Button>}
      <Button kind={culprit ? "plain" : "primary"} onClick={() => go({ filter: "" })}>Clear filter</Button>
      {(route.from || route.to) && <Button kind="link" onClick={() => go({ from: "", to: "" })}>Widen to all</Button>}
    </Empty>
  );
}

export function QueryProblem({ problem, onRetry }: { problem: Problem; onRetry: () => void }): JSX.Element {
  return (
    <div class="empty" role="alert">
      <p>{problem.detail || problem.title}</p>
      <div class="empty-actions"><Button onClick={onRetry}>Try again</Button></div>
    </div>
  );
}
