// What can be done with a snapshot, with the sentences that follow.
import { apiUrl, get, post, request, segment } from "../api/client";
import type { Dissection, Snapshot, VerifyResponse } from "../api/types";
import { formatBytes, formatSpan, plural } from "../format/quantity";
import { spanSeconds } from "../format/time";
import { dropSnapshot, loadSources, onSnapshotChange, sourceOf, takeSnapshot } from "../state/live";
import { go } from "../state/route";
import { say, sayError } from "../ui/Toasts";
import { checkedDownload } from "../ui/clipboard";
import { done, failureReason, reasonWords } from "./status";

const at = (s: Snapshot): string => `snapshots/${segment(s.id)}`;

export function show(id: string): void {
  go({ view: "snapshots", open: id });
}

export async function dissect(s: Snapshot): Promise<void> {
  try {
    const name = s.dissections.length === 0 ? undefined : `run-${s.dissections.length + 1}`;
    await post<Dissection>(`${at(s)}/dissections`, { ...(name && { name }) });
    takeSnapshot(await get<Snapshot>(at(s)));
  } catch (error) {
    sayError(error);
  }
}

export function openInStream(s: Snapshot): void {
  const source = sourceOf(s, done(s)?.name);
  go({ view: "stream", source: source?.id ?? s.id, filter: "", from: "", to: "", entry: "", tab: "", order: "", open: "" });
}

export async function downloadArchive(s: Snapshot): Promise<void> {
  if (await checkedDownload(apiUrl(`${at(s)}/archive`))) say("ok", `The archive of "${s.name}" is being downloaded: ${formatBytes(s.size_bytes)}.`);
}

export async function patch(s: Snapshot, change: Partial<Pick<Snapshot, "name" | "note" | "tags" | "locked">>): Promise<boolean> {
  try {
    takeSnapshot(await request<Snapshot>("PATCH", at(s), { body: change }));
    return true;
  } catch (error) {
    sayError(error);
    return false;
  }
}

export async function verify(s: Snapshot): Promise<void> {
  try {
    const result = await post<VerifyResponse>(`${at(s)}/verify`, {});
    if (result.ok) say("ok", `"${s.name}" is intact: ${plural(result.files, "file")}, ${formatBytes(result.bytes)}, every checksum as in the manifest${result.signature?.by === "foreign" ? `, which another hub signed (key ${result.signature.fingerprint.slice(0, 16)})` : ""}.`);
    else {
      const first = result.errors[0];
      say("error", `"${s.name}" is damaged: ${plural(result.errors.length, "file")} of ${result.files} differ from the manifest${first ? `, first ${first.file}: ${first.text}` : ""}. The rest can still be read; fetch a copy if you have one.`);
    }
    takeSnapshot(await get<Snapshot>(at(s))); // the row keeps what was found
  } catch (error) {
    sayError(error);
  }
}

export async function retry(s: Snapshot): Promise<void> {
  try {
    await post(`${at(s)}/retry`, {});
    takeSnapshot(await get<Snapshot>(at(s)));
  } catch (error) {
    sayError(error);
  }
}

export async function cancel(s: Snapshot): Promise<void> {
  try {
    const job = s.dissections.find((d) => d.state === "running");
    await post(job ? `${at(s)}/dissections/${segment(job.name)}/cancel` : `${at(s)}/cancel`, {});
    takeSnapshot(await get<Snapshot>(at(s)));
  } catch (error) {
    sayError(error);
  }
}

export async function remove(list: Snapshot[]): Promise<void> {
  let freed = 0;
  const gone: Snapshot[] = [];
  for (const s of list) {
    try {
      const answer = await request<{ freed_bytes: number }>("DELETE", at(s));
      freed += answer?.freed_bytes ?? 0;
      gone.push(s);
      dropSnapshot(s.id);
    } catch (error) {
      sayError(error);
    }
  }
  const [first] = gone;
  if (first) say("ok", gone.length === 1 ? `"${first.name}" is deleted: ${formatBytes(freed)} of the quota freed.` : `${gone.length} snapshots are deleted: ${formatBytes(freed)} of the quota freed.`);
}

export async function importFile(file: File): Promise<void> {
  say("ok", `Importing ${file.name}: ${formatBytes(file.size)}.`);
  try {
    const name = file.name.replace(/\.(pcapng|pcap|tar)(\.(gz|zst|lz4))?$/i, "");
    const snapshot = await request<Snapshot>("POST", "snapshots/import", { query: { name }, body: file });
    takeSnapshot(snapshot);
    say("ok", `"${snapshot.name}" is imported.`, [{ label: "Show", run: () => show(snapshot.id) }]);
  } catch (error) {
    sayError(error);
  }
}

export function cliLines(s: Snapshot): { cli: string; curl: string } {
  return {
    cli: `trawl snapshot show ${s.id}\ntrawl snapshot dissect ${s.id} --wait\ntrawl entries --source ${s.id} --jsonl\ntrawl snapshot pcap ${s.id} -o ${s.id}.pcapng`,
    curl: `curl -H "Authorization: Bearer $TRAWL_TOKEN" '${location.origin}/api/v1/snapshots/${s.id}'\ncurl -H "Authorization: Bearer $TRAWL_TOKEN" -o ${s.id}.pcapng '${location.origin}/api/v1/snapshots/${s.id}/pcap'`,
  };
}

/** The one sentence when a snapshot or dissection comes to its end. */
export function announceArrivals(): void {
  onSnapshotChange((before, now) => {
    if (!before) return;
    const showIt = { label: "Show", run: () => show(now.id) };
    if (before.status !== now.status && now.status === "Failed") say("error", `"${now.name}" failed: ${now.status_detail}.`, [{ label: "Retry", run: () => void retry(now) }, showIt]);
    else if ((before.status === "Pending" || before.status === "In Progress") && (now.status === "Completed" || now.status === "Dissected")) {
      const [gap] = now.missing;
      if (now.empty) say("warn", `"${now.name}" holds no packets: nothing was recorded in its window.`, [showIt]);
      else if (now.partial && gap) say("warn", `"${now.name}" lacks ${formatSpan(spanSeconds(gap.from, gap.to))} of ${gap.node}: ${gap.reason === "recycled" ? "its ring no longer had them" : reasonWords(gap.reason)}.`, [{ label: "Show coverage", run: () => show(now.id) }]);
      else say("ok", `"${now.name}" is complete: ${plural(now.packets, "packet")}, ${formatBytes(now.size_bytes)}.`, [showIt]);
    }
    for (const job of now.dissections) {
      const was = before.dissections.find((d) => d.name === job.name);
      if (was?.state !== "running" || job.state === "running") continue;
      void loadSources();
      if (job.state === "done") say("ok", `"${now.name}" is dissected: ${plural(job.progress.entries, "entry", "entries")}.`, [{ label: "Open", run: () => openInStream(now) }]);
      else if (job.state === "failed")
        say("error", `Dissection of "${now.name}" stopped at ${Math.floor(job.progress.percent)} %: ${failureReason(job).replace(/\.$/, "")}. Recording is not affected.`, [{ label: "Retry", run: () => void dissect(now) }]);
    }
  });
}
