// What stands under a row: evidence per node on the left; dissections, history and the same thing as commands on the right.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Snapshot, SnapshotNode } from "../api/types";
import { formatBytes, formatCount, formatExactCount, formatGap, formatPercent, plural } from "../format/quantity";
import { formatBoth, formatClock, formatEnds, formatFull, spanNs } from "../format/time";
import { preferences } from "../state/preferences";
import { useStore } from "../state/store";
import { Button } from "../ui/Button";
import { Captured, CutMiddle } from "../ui/Captured";
import { copyText } from "../ui/clipboard";
import { protocolTag } from "../format/entry";
import { cliLines, dissect, openInStream } from "./actions";
import { clockWords } from "../nodes/retention";
import { GapList } from "./GapList";
import { damageOf, displayStatus, failedDissection } from "./status";

function NodeRow({ node }: { node: SnapshotNode }): JSX.Element {
  const zone = useStore(preferences, (p) => (p.zone === "relative" ? "local" : p.zone));
  const lost = node.drops.kernel + node.drops.ring + node.drops.disk;
  const [file] = node.files;
  const missing = node.gaps.reduce((sum, g) => sum + spanNs(g.from, g.to), 0n);
  return (
    <tr>
      <td><CutMiddle text={node.name} tail={6} /></td>
      <td class="mono" data-tip={node.window ? `${formatBoth(node.window.from)}\n${formatBoth(node.window.to)}` : undefined}>{node.window ? formatEnds(node.window.from, node.window.to, zone).map((end) => end.slice(0, -4)).join(" – ") : ""}</td>
      <td class="mono right" data-tip={formatExactCount(node.packets)}>{formatCount(node.packets)}</td>
      <td class="mono right">{formatBytes(node.captured_bytes)}</td>
      <td class={`mono right ${lost > 0 ? "tone-warn" : ""}`} data-tip={`kernel ${node.drops.kernel} · ring ${node.drops.ring} · disk ${node.drops.disk}`}>{formatCount(lost)}</td>
      <td class={`mono right ${node.gaps.length ? "tone-warn" : ""}`}>{node.gaps.length === 0 ? "none" : `${formatCount(node.gaps.length)} · ${formatGap(missing)}`}</td>
      <td class="mono right" data-tip={`Clock offset against the hub, from ${node.clock_source}`}>{clockWords(node.clock_offset_ns)}</td>
      <td class="mono">
        {file && (
          <span class="drawer-hash" data-tip={node.files.map((f) => `${f.name} · ${formatBytes(f.size_bytes)}\n${f.sha256}`).slice(0, 6).join("\n")}>
            {file.sha256.slice(0, 12)}
            <Button kind="ghost" icon="copy" label={`Copy the checksums of ${node.name}`} onClick={() => void copyText(node.files.map((f) => `${f.sha256}  ${f.name}`).join("\n"), plural(node.files.length, "checksum"))} />
          </span>
        )}
      </td>
    </tr>
  );
}

/** What the last look at every byte found, whole: which file, where, what. */
function Verified({ snapshot }: { snapshot: Snapshot }): JSX.Element | null {
  const zone = useStore(preferences, (p) => (p.zone === "relative" ? "local" : p.zone));
  const { verified } = snapshot;
  if (!verified) return null;
  const when = <time dateTime={verified.at} data-tip={formatBoth(verified.at)}>{formatFull(verified.at, zone).slice(0, 19).replace("T", " ")}</time>;
  if (verified.ok) return <p class="drawer-verified hint">Verified {when}: {plural(verified.files, "file")}, {formatBytes(verified.bytes)}, every checksum as in the manifest.</p>;
  return (
    <section class="drawer-verified gap-list">
      <h3>Damaged <span class="hint">verified {when}</span></h3>
      <ul>{verified.errors.map((e, i) => <li key={i} class="damage-line tone-error"><span class="mono"><Captured text={e.file} />{e.offset === null ? "" : ` at byte ${formatExactCount(e.offset)}`}</span>: <Captured text={e.text} /></li>)}</ul>
      {verified.problems > verified.errors.length && <p class="hint">{plural(verified.problems - verified.errors.length, "more place", "more places")}: `trawl snapshot verify {snapshot.id}` lists them.</p>}
    </section>
  );
}

/** `tools` are the row's actions where the row has no room for them. */
export function SnapshotDrawer({ snapshot, tools }: { snapshot: Snapshot; tools?: ComponentChildren }): JSX.Element {
  const zone = useStore(preferences, (p) => (p.zone === "relative" ? "local" : p.zone));
  const lines = cliLines(snapshot);
  const status = displayStatus(snapshot, zone);
  const failed = failedDissection(snapshot);
  const box = useRef<HTMLDivElement>(null);
  // All of it in sight, and its row in any case.
  useEffect(() => {
    box.current?.scrollIntoView({ block: "nearest" });
    box.current?.previousElementSibling?.scrollIntoView({ block: "nearest" });
  }, []);
  const jobWord = { running: "running", done: "done", failed: "failed", cancelled: "cancelled" };
  return (
    <div ref={box} class="drawer" role="row">
      <div role="gridcell" class="drawer-inner">
        <div class="drawer-nodes" tabIndex={0} aria-label="Nodes of the snapshot" role="region">
          {tools && <div class="drawer-tools">{tools}</div>}
          <p class={`drawer-status tone-${status.tone}`}>{status.word}{status.detail && !damageOf(snapshot) && <>: <Captured text={status.detail} /></>}</p>
          <Verified snapshot={snapshot} />
          <GapList snapshot={snapshot} />
          <div class="drawer-table">
          <table>
            <thead>
              <tr><th>Node</th><th>Window</th><th class="right">Packets</th><th class="right">Bytes</th><th class="right">Lost</th><th class="right">Gaps</th><th class="right">Clock</th><th>SHA-256</th></tr>
            </thead>
            <tbody>{snapshot.nodes.map((node) => <NodeRow key={node.name} node={node} />)}</tbody>
          </table>
          </div>
          {snapshot.nodes.length === 0 && <p class="hint">No node has answered yet.</p>}
        </div>
        <div class="drawer-side" tabIndex={0} aria-label="Dissections, history, commands" role="region">
          <section>
            <h3>Dissections</h3>
            {snapshot.dissections.length === 0 && <p class="hint">None. PCAP works without.</p>}
            {snapshot.dissections.map((job) => (
              <div class="drawer-job" key={job.name}>
                <span class="mono"><Captured text={job.name} /></span>
                <span class={job.state === "failed" ? "tone-error" : job.state === "running" ? "tone-info" : ""}>{job.state === "running" ? `${Math.floor(job.progress.percent)} %` : jobWord[job.state]}</span>
                <span class="hint">{plural(job.progress.entries, "entry", "entries")}{job.damage > 0 ? ` · ${plural(job.damage, "damaged block")}` : ""}</span>
                {job.state === "done" && <Button kind="link" onClick={() => openInStream(snapshot)}>Open</Button>}
                {job === failed && <Button kind="link" onClick={() => void dissect(snapshot)}>Retry</Button>}
                <p class="hint drawer-protocols">
                  {Object.entries(job.progress.per_protocol).sort((a, b) => b[1] - a[1]).map(([protocol, count]) => `${protocolTag(protocol).word} ${formatCount(count)}`).join(" · ")}
                </p>
                {job.reason && <p class="field-error"><Captured text={job.reason} /></p>}
              </div>
            ))}
          </section>
          <section>
            <h3>History</h3>
            <ul>
              {snapshot.history.map((step, i) => (
                <li key={i}><span class="mono" data-tip={formatBoth(step.at)}>{formatClock(step.at, zone)}</span> {step.status} <span class="hint"><Captured text={step.text} /></span></li>
              ))}
            </ul>
            <p class="hint">
              Asked for {formatFull(snapshot.from, zone).slice(0, 19)} to {formatFull(snapshot.to, zone).slice(0, 19)} by <Captured text={snapshot.created_by} />. Covered {formatPercent(snapshot.coverage)}
              {snapshot.manifest_sha256 ? `, manifest ${snapshot.manifest_sha256.slice(0, 12)}.` : "."}
              {snapshot.signature && <span class={snapshot.signature.by === "foreign" ? "tone-warn" : ""} data-tip={snapshot.signature.fingerprint}>{snapshot.signature.by === "own" ? ` Signed by this hub (${snapshot.signature.fingerprint.slice(0, 16)}).` : ` Signed by another hub's key (${snapshot.signature.fingerprint.slice(0, 16)}): compare it with whoever gave you the archive.`}</span>}
            </p>
          </section>
          <section>
            <h3>The same by command</h3>
            <pre class="command">{lines.cli}</pre>
            <Button kind="link" onClick={() => void copyText(lines.cli, "the commands")}>Copy CLI</Button>{" · "}
            <Button kind="link" onClick={() => void copyText(lines.curl, "the curl lines")}>Copy curl</Button>
          </section>
        </div>
      </div>
    </div>
  );
}
