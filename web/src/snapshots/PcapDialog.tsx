// Export for Wireshark: all of a snapshot or a part of it, with the size before it starts.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { apiUrl, get, segment } from "../api/client";
import type { PcapEstimate, Snapshot } from "../api/types";
import { formatBytes, formatCount, plural } from "../format/quantity";
import { formatBoth, formatFull, parseTyped } from "../format/time";
import { preferences } from "../state/preferences";
import { useStore } from "../state/store";
import { Button } from "../ui/Button";
import { Captured } from "../ui/Captured";
import { Dialog } from "../ui/Dialog";
import { Icon } from "../ui/Icon";
import { say } from "../ui/Toasts";
import { copyText, download } from "../ui/clipboard";
import { done } from "./status";

interface Props {
  snapshot: Snapshot;
  onClose: () => void;
  /** From the stream: what is filtered there. */
  filter?: string;
  calls?: number;
  from?: string;
  to?: string;
}

export function PcapDialog({ snapshot, onClose, filter: initial = "", calls, from: initialFrom = "", to: initialTo = "" }: Props): JSX.Element {
  const zone = useStore(preferences, (p) => (p.zone === "relative" ? "local" : p.zone));
  const [format, setFormat] = useState<"pcapng" | "pcap">("pcapng");
  const [filter, setFilter] = useState(initial);
  const [scope, setScope] = useState<"connections" | "calls">("connections");
  const [bpf, setBpf] = useState("");
  const [from, setFrom] = useState(initialFrom);
  const [to, setTo] = useState(initialTo);
  const [nodes, setNodes] = useState<string[] | null>(null);
  const [estimate, setEstimate] = useState<PcapEstimate | null>(null);
  const [error, setError] = useState("");
  const dissected = done(snapshot) !== undefined;
  const fromIso = from ? parseTyped(from, zone) : "";
  const toIso = to ? parseTyped(to, zone) : "";
  const badTime = fromIso === null || toIso === null;
  const query = { format, from: fromIso, to: toIso, nodes: nodes?.join(",") ?? "", bpf, filter, scope: filter ? scope : "" };
  const path = `snapshots/${segment(snapshot.id)}/pcap`;

  useEffect(() => {
    if (badTime) return;
    const stop = new AbortController();
    setEstimate(null);
    const timer = setTimeout(() => {
      get<PcapEstimate>(`${path}/estimate`, query, stop.signal).then(
        (answer) => {
          setEstimate(answer);
          setError("");
        },
        (problem: unknown) => {
          if (!stop.signal.aborted) setError((problem as Error).message);
        },
      );
    }, 250);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [JSON.stringify(query)]);

  const about = estimate?.exact ? "" : "≈ ";
  const why = error ? "It cannot be exported like this" : badTime ? "A time is not readable" : nodes?.length === 0 ? "Choose at least one node" : "";
  const start = (): void => {
    if (why) return;
    download(apiUrl(path, query));
    say("ok", `PCAP of "${snapshot.name}": ${estimate ? `${about}${formatBytes(estimate.bytes)}` : "its size is not known yet"}. The browser shows the progress.`);
    onClose();
  };
  const matched = calls === undefined ? "matching calls" : `${formatCount(calls)} matching calls`;
  const wireshark = `trawl snapshot pcap ${snapshot.id} | wireshark -k -i -`;

  return (
    <Dialog title={<>PCAP of "<Captured text={snapshot.name} />"</>} class="wide" onClose={onClose} onSubmit={start}
      footer={
        <>
          <span class="grow hint" role="status">{error ? "" : estimate ? `${about}${formatBytes(estimate.bytes)} · ${about}${plural(estimate.packets, "packet")}` : "Estimating…"}</span>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" disabled={why}>Export</Button>
        </>
      }
    >
      <div class="form-row">
        <span class="form-label" id="format-label">Format</span>
        <div class="form-control">
          <div class="segments" role="radiogroup" aria-labelledby="format-label">
            {(["pcapng", "pcap"] as const).map((f) => (
              <button type="button" key={f} role="radio" class="segment" aria-checked={format === f} onClick={() => setFormat(f)}>{f}</button>
            ))}
          </div>
          <span class="hint">{format === "pcapng" ? "One interface per node, nanoseconds, lost packets, names." : "Nanoseconds; no interfaces, no names, no lost packets."}</span>
        </div>
      </div>
      <div class="form-row">
        <label class="form-label" for="pcap-filter">Filter</label>
        <div class="form-control">
          <input id="pcap-filter" class="input mono grow" spellcheck={false} placeholder={dissected ? "http && status_code >= 500" : "Dissect first to filter by calls"} readOnly={!dissected} aria-disabled={!dissected} value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
          {filter && (
            <div class="form-note">
              <p class="hint">Exports {estimate?.connections !== undefined ? `the ${plural(estimate.connections, "connection")}` : "the connections"} of {matched}{estimate ? `, ${about}${formatBytes(estimate.bytes)}` : ""}.</p>
              <label class="check-row"><input type="radio" name="scope" checked={scope === "connections"} onChange={() => setScope("connections")} /> whole connections</label>{" "}
              <label class="check-row"><input type="radio" name="scope" checked={scope === "calls"} onChange={() => setScope("calls")} /> only these calls</label>
            </div>
          )}
        </div>
      </div>
      <div class="form-row">
        <label class="form-label" for="pcap-bpf">BPF</label>
        <div class="form-control"><input id="pcap-bpf" class="input mono grow" spellcheck={false} placeholder="tcp port 80 and host 10.0.12.7" value={bpf} onInput={(event) => setBpf(event.currentTarget.value)} /></div>
      </div>
      <div class="form-row">
        <span class="form-label">Time</span>
        <div class="form-control">
          <input class="input mono" size={22} aria-label="From" spellcheck={false} placeholder={formatFull(snapshot.from, zone).slice(0, 19)} value={from} aria-invalid={fromIso === null} data-tip={fromIso ? formatBoth(fromIso) : undefined} onInput={(event) => setFrom(event.currentTarget.value)} />
          <span>to</span>
          <input class="input mono" size={22} aria-label="To" spellcheck={false} placeholder={formatFull(snapshot.to, zone).slice(0, 19)} value={to} aria-invalid={toIso === null} data-tip={toIso ? formatBoth(toIso) : undefined} onInput={(event) => setTo(event.currentTarget.value)} />
          {badTime && <p class="field-error form-note">Write 14:02, -10m, 2026-03-03 14:02 or ISO.</p>}
        </div>
      </div>
      {snapshot.nodes.length > 1 && (
        <div class="form-row">
          <span class="form-label">Nodes</span>
          <div class="form-control">
            <label class="check-row"><input type="checkbox" checked={nodes === null} onChange={() => setNodes(nodes === null ? snapshot.nodes.map((n) => n.name) : null)} /> All {snapshot.nodes.length}</label>
            {nodes !== null && (
              <div class="node-picks form-note">
                {snapshot.nodes.map(({ name }) => (
                  <label class="check-row" key={name}><input type="checkbox" checked={nodes.includes(name)} onChange={() => setNodes(nodes.includes(name) ? nodes.filter((x) => x !== name) : [...nodes, name])} /> <span class="mono">{name}</span></label>
                ))}
              </div>
            )}
          </div>
        </div>
      )}
      {error && <div class="notice error" role="alert"><Icon name="warning" /><span>{error}</span></div>}
      <p class="hint">Straight into Wireshark: <code>{wireshark}</code> <Button kind="link" onClick={() => void copyText(wireshark, "the command")}>Copy</Button></p>
    </Dialog>
  );
}
