// One call: head, tabs, and what each tab knows.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { apiUrl } from "../api/client";
import type { EntriesResponse, Entry } from "../api/types";
import { useAction } from "../frame/keys";
import { endName, isCall, methodOf, protocolTag, statusOf, summaryOf } from "../format/entry";
import { formatLatency } from "../format/quantity";
import { formatBoth, formatTime } from "../format/time";
import { loadFields } from "../state/fields";
import { preferences, setPreference } from "../state/preferences";
import { go, routeStore } from "../state/route";
import { useStore } from "../state/store";
import { Button } from "../ui/Button";
import { Captured } from "../ui/Captured";
import { MenuButton } from "../ui/Menu";
import { checkedDownload, copyText, saveText } from "../ui/clipboard";
import { run } from "../frame/keys";
import { CallList } from "./CallList";
import { ConnectionTab } from "./ConnectionTab";
import { HalfTab, FieldList } from "./HalfTab";
import { PacketsTab } from "./PacketsTab";
import { SummaryTab } from "./SummaryTab";
import { TimingTab } from "./TimingTab";
import { asCurl } from "./bytes";
import { tabIds, tabReason, tabWords, type TabId } from "./tabs";
import { entryPath, useCalls, useEntry, type Loaded } from "./useEntry";

function Head({ entry, source, calls, full, setFull }: { entry: Entry; source: string; calls: Loaded<EntriesResponse>; full: boolean; setFull: (full: boolean) => void }): JSX.Element {
  const zone = useStore(preferences, (p) => p.zone);
  const tag = protocolTag(entry.protocol);
  const status = statusOf(entry);
  const list = (calls.data?.entries ?? []).filter(isCall);
  const at = list.findIndex((e) => e.id === entry.id);
  const [before, after] = [list[at - 1], at < 0 ? undefined : list[at + 1]];
  const name = (end: Entry["src"], service: boolean): string => {
    const n = endName(end, service);
    return `${n.namespace ? `${n.namespace}/` : ""}${n.name}`;
  };
  return (
    <header class="entry-head-box">
      <div class="entry-title">
        <p class="entry-line-1">
          <span class={`tag hue-${tag.hue}`}>{tag.word}</span>
          {!summaryOf(entry).toLowerCase().startsWith(methodOf(entry).toLowerCase()) && <span class="mono"><Captured text={methodOf(entry)} /></span>}
          <span class={`mono tone-${status.tone}`}><Captured text={status.word} /></span>
          <span class="mono entry-summary"><Captured text={summaryOf(entry)} /></span>
        </p>
        <p class="entry-line-2">
          <span class="mono" data-tip={formatBoth(entry.timestamp)}>{formatTime(entry.timestamp, zone)}</span>
          {entry.elapsed_time !== undefined && <span class="mono">{formatLatency(entry.elapsed_time)}</span>}
          <span class="ellipsis"><Captured text={`${name(entry.src, false)} → ${name(entry.dst, true)}`} /></span>
        </p>
      </div>
      <div class="entry-tools">
        <Button kind="ghost" icon="left" label="Previous call of the connection" disabled={before ? "" : "It is the first of its connection"} onClick={() => before && go({ entry: before.id }, true)} />
        <Button kind="ghost" icon="right" label="Next call of the connection" disabled={after ? "" : "It is the last of its connection"} onClick={() => after && go({ entry: after.id }, true)} />
        <MenuButton label="Copy" icon="copy" alignRight items={[
          { label: "Copy as cURL", ...(entry.protocol === "http" && entry.method ? {} : { disabled: "It is not an HTTP request" }), run: () => void copyText(asCurl(entry), "the request as cURL") },
          { label: "Copy as JSON", run: () => void copyText(JSON.stringify(entry, null, 2), "the entry") },
          { label: "Copy a link", hint: "y", run: () => void copyText(location.href, "a link to this entry") },
          { label: "Copy its id", run: () => void copyText(entry.id, "the id") },
        ]} />
        <MenuButton label="Export" icon="download" alignRight items={[
          { label: "PCAP of this connection", run: () => void checkedDownload(apiUrl(`${entryPath(source, entry.id)}/pcap`)) },
          { label: "JSON", run: () => saveText(JSON.stringify(entry, null, 2), `${entry.id}.json`, "application/json") },
        ]} />
        <Button kind="ghost" icon="expand" label={full ? "Beside the table" : "Full screen"} pressed={full} onClick={() => setFull(!full)} />
        <Button kind="ghost" icon="close" label="Close" tip="Close (Esc)" onClick={() => run("entry.close")} />
      </div>
    </header>
  );
}

function Kubernetes({ entry }: { entry: Entry }): JSX.Element {
  const rows = (["src", "dst"] as const).flatMap((side) => {
    const end = entry[side];
    return [["pod", end.pod], ["service", end.service]].filter(([, v]) => v).map(([kind, v]) => [`${side}.${String(kind)}`, `${(v as { namespace: string }).namespace}/${(v as { name: string }).name}`] as [string, unknown]);
  });
  return <FieldList fields={rows} title="As they were at that time" />;
}

function Process({ entry }: { entry: Entry }): JSX.Element {
  const rows = (["src", "dst"] as const).flatMap((side) => Object.entries(entry[side].process ?? {}).map(([name, value]) => [`${side}.process.${name}`, value] as [string, unknown]));
  return <FieldList fields={rows} title="As seen when the packets were recorded" />;
}

function Content({ tab, entry, source, calls, follow }: { tab: TabId; entry: Entry; source: string; calls: Loaded<EntriesResponse>; follow: boolean }): JSX.Element | null {
  const traceId = typeof entry["trace_id"] === "string" ? entry["trace_id"] : "";
  const trace = useCalls(source, tab === "trace" && /^[\w-]+$/.test(traceId) ? `trace_id == "${traceId}"` : "");
  switch (tab) {
    case "summary": return <SummaryTab entry={entry} />;
    case "request":
    case "response": return <HalfTab entry={entry} half={tab} source={source} />;
    case "messages": {
      const mine = calls.data && { ...calls.data, entries: calls.data.entries.filter((e) => e.protocol === entry.protocol) };
      return <section class="entry-section"><h3>Messages of this connection</h3><CallList calls={{ ...calls, data: mine }} entry={entry} label="Messages of this connection" /></section>;
    }
    case "timing": return <TimingTab entry={entry} />;
    case "trace": return <section class="entry-section"><h3>Calls with trace id <span class="mono">{traceId}</span></h3><CallList calls={trace} entry={entry} label="Calls of this trace" /></section>;
    case "connection": return <ConnectionTab entry={entry} source={source} calls={calls} follow={follow} />;
    case "packets": return <PacketsTab source={source} id={entry.id} />;
    case "kubernetes": return <Kubernetes entry={entry} />;
    case "process": return <Process entry={entry} />;
    case "raw": return <section class="entry-section"><pre class="raw" tabIndex={0}><Captured text={JSON.stringify(entry, null, 2)} multiline /></pre></section>;
    default: return null;
  }
}

export function EntryPane(): JSX.Element {
  const route = useStore(routeStore);
  const last = useStore(preferences, (p) => p.lastTab);
  const { data: loaded, error } = useEntry(route.source, route.entry);
  const [kept, setKept] = useState<Entry | null>(null);
  const [full, setFull] = useState(false);
  const [follow, setFollow] = useState(false);
  useEffect(() => void loadFields().catch(() => undefined), []); // without the table the fields stand there unexplained
  useEffect(() => {
    if (loaded) setKept(loaded);
  }, [loaded]);
  const entry = loaded ?? (error ? null : kept); // the old one stays until the new one is there
  const calls = useCalls(route.source, entry?.conn_id ? `conn_id == "${entry.conn_id.replace(/["\\]/g, "\\$&")}"` : "");

  const wish = (route.tab || (entry ? last[entry.protocol] : "") || "summary") as TabId;
  const tab: TabId = entry && tabIds.includes(wish) && tabReason(wish, entry) === "" ? wish : "summary";
  const choose = (next: TabId): void => {
    if (!entry || tabReason(next, entry) !== "") return;
    setPreference("lastTab", { ...last, [entry.protocol]: next });
    go({ tab: next }, true);
  };
  const step = (direction: 1 | -1): void => {
    if (!entry) return;
    const open = tabIds.filter((id) => tabReason(id, entry) === "");
    const next = open[(open.indexOf(tab) + direction + open.length) % open.length];
    if (next) choose(next);
  };
  useAction("entry.tab.next", entry ? () => step(1) : null);
  useAction("entry.tab.previous", entry ? () => step(-1) : null);
  useAction("entry.packets", entry ? () => choose("packets") : null);
  useAction("entry.follow", entry && tab !== "connection" ? () => {
    setFollow(true);
    choose("connection");
  } : null);
  useAction("entry.curl", entry?.protocol === "http" ? () => void copyText(asCurl(entry), "the request as cURL") : null);

  return (
    <section class={`entry-pane ${full ? "full" : ""} ${loaded ? "" : "stale"}`} aria-label="Entry" data-region="pane" aria-busy={!loaded && !error}>
      {error && (
        <div class="empty" role="alert">
          <p>{error}</p>
          <div class="empty-actions"><Button onClick={() => run("entry.close")}>Close</Button></div>
        </div>
      )}
      {entry && (
        <>
          <Head entry={entry} source={route.source} calls={calls} full={full} setFull={setFull} />
          <div class="entry-tabs" role="tablist" aria-label="Entry" onKeyDown={(event) => {
            if (event.key === "ArrowRight") step(1);
            else if (event.key === "ArrowLeft") step(-1);
            else return;
            event.preventDefault();
            setTimeout(() => document.querySelector<HTMLElement>(".entry-tab[aria-selected='true']")?.focus());
          }}>
            {tabIds.map((id) => {
              const why = tabReason(id, entry);
              return (
                <button key={id} type="button" role="tab" id={`tab-${id}`} class="entry-tab" aria-selected={tab === id} aria-controls="entry-content" aria-disabled={why ? "true" : undefined} tabIndex={tab === id ? 0 : -1} data-tip={why || undefined} onClick={() => choose(id)}>
                  {tabWords[id]}
                </button>
              );
            })}
          </div>
          <div id="entry-content" class="entry-content" role="tabpanel" aria-labelledby={`tab-${tab}`} tabIndex={0}>
            <Content key={`${entry.id}${tab}`} tab={tab} entry={entry} source={route.source} calls={calls} follow={follow} />
          </div>
        </>
      )}
    </section>
  );
}
