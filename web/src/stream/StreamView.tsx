// The stream: filter, chips, timeline, table, and the entry beside or below it.
import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { footerWords } from "../frame/Footer";
import { useAction } from "../frame/keys";
import { formatCount } from "../format/quantity";
import { formatClock, toMs } from "../format/time";
import { preferences, setPreference } from "../state/preferences";
import { go, routeStore } from "../state/route";
import { useStore } from "../state/store";
import { Button } from "../ui/Button";
import { MenuButton } from "../ui/Menu";
import { lazy } from "../ui/lazy";
import { PcapDialog } from "../snapshots/PcapDialog";
import { ClauseChips } from "./ClauseChips";
import { EntryTable } from "./EntryTable";
import { NoMatch, NotReadable, QueryProblem } from "./EmptyStream";
import { FilterBar } from "./FilterBar";
import { HonestyStrip, honestFacts } from "./HonestyStrip";
import { Timeline } from "./Timeline";
import { columns } from "./columns";
import { exportArchive, exportRows } from "./exportRows";
import { PaneSplitter, usePaneRight } from "./PaneSplitter";
import { useShown } from "./source";
import { mostRows, useEntries, type EntryQuery } from "./useEntries";

const EntryPane = lazy(() => import("../entry/EntryPane").then((m) => m.EntryPane));

const openHeight = 96;
const foldedHeight = 24;
const stripHeight = 24;
const slowMs = 2000;

export function StreamView(): JSX.Element {
  const route = useStore(routeStore);
  const zone = useStore(preferences, (p) => (p.zone === "relative" ? "local" : p.zone));
  const toggled = useStore(preferences, (p) => p.hiddenStreamColumns);
  const foldWish = useStore(preferences, (p) => p.timelineFolded);
  const shown = useShown();
  const right = usePaneRight();
  const [refresh, setRefresh] = useState(0);
  const [pcap, setPcap] = useState(false);
  const [slow, setSlow] = useState(false);
  const ready = shown.kind === "ready" ? shown : null;
  const query = useMemo<EntryQuery | null>(() => (ready ? { source: ready.source.id, filter: route.filter, from: route.from, to: route.to, order: route.order } : null), [ready?.source.id, route.filter, route.from, route.to, route.order]);
  const entries = useEntries(query, refresh);
  const body = useRef<HTMLDivElement>(null);

  useEffect(() => {
    setSlow(false);
    if (entries.loading !== "first") return;
    const timer = setTimeout(() => setSlow(true), slowMs);
    return () => clearTimeout(timer);
  }, [entries.loading, entries.since]);

  const range = ready ? { from: route.from || ready.source.from || "", to: route.to || ready.source.to || "" } : { from: "", to: "" };
  useEffect(() => {
    if (!ready || entries.problem) return footerWords.set([]);
    footerWords.set([
      `${formatCount(entries.rows.length)} of ${formatCount(entries.total, entries.lowerBound)} of ${formatCount(entries.of)}`,
      ...(entries.rows.length >= mostRows && entries.total > mostRows ? [`the first ${formatCount(mostRows)} can be scrolled: narrow the filter or the time for the rest`] : []),
      ...(range.from && range.to ? [`${formatClock(range.from, zone)}–${formatClock(range.to, zone)}`] : []),
    ]);
  }, [ready?.source.id, entries.rows.length, entries.total, entries.of, entries.problem, range.from, range.to, zone]);

  const focusTable = (): void => body.current?.querySelector<HTMLElement>(".entry-scroll")?.focus(); // at once: the next key belongs to the table
  const close = (): void => {
    go({ entry: "", tab: route.tab });
    focusTable();
  };
  useAction("entry.close", route.entry ? close : focusTable);
  useAction("timeline.fold", ready ? () => setPreference("timelineFolded", !foldWish) : null);
  useAction("export", ready?.snapshot ? () => setPcap(true) : null);

  const paneOpen = ready !== null && route.entry !== "";
  const folded = foldWish || (paneOpen && !right);
  const facts = ready ? honestFacts(ready.snapshot, entries.warnings, zone).length : 0;
  const timelineHeight = folded ? foldedHeight : openHeight - (facts > 0 ? stripHeight : 0);
  const gaps = useMemo(() => (ready?.snapshot?.nodes ?? []).flatMap((n) => n.gaps), [ready?.snapshot]);
  const wrongFilter = entries.problem?.status === 400 && route.filter !== "" ? entries.problem.detail || entries.problem.title : "";
  const broken = entries.problem !== null && entries.problem.status !== 400;
  const nothing = entries.loading === "" && entries.rows.length === 0 && !entries.problem && entries.generation > 0;

  return (
    <div class={`stream ${right ? "pane-right" : "pane-bottom"}`}>
      <FilterBar problem={wrongFilter} onDone={focusTable}>
        <MenuButton kind="plain" label="Export" alignRight items={[
          { label: "PCAP", hint: "o", ...(ready?.snapshot ? {} : { disabled: "Choose a dissected snapshot first" }), run: () => setPcap(true) },
          { label: "CSV", ...(query ? {} : { disabled: "There are no rows to export" }), run: () => query && void exportRows(query, "csv", ready?.source.name ?? "calls") },
          { label: "JSONL", ...(query ? {} : { disabled: "There are no rows to export" }), run: () => query && void exportRows(query, "jsonl", ready?.source.name ?? "calls") },
          { label: "HAR", ...(query ? {} : { disabled: "There are no rows to export" }), run: () => query && void exportArchive(query, ready?.source.name ?? "calls") },
        ]}>Export</MenuButton>
        <MenuButton kind="plain" class="wide-only" label="Columns" alignRight items={() => columns.filter((c) => c.word && c.id !== "time").map((c) => ({
          label: c.word, checked: (c.hidden === true) === toggled.includes(c.id), keep: true, run: () => setPreference("hiddenStreamColumns", toggled.includes(c.id) ? toggled.filter((x) => x !== c.id) : [...toggled, c.id]),
        }))}>Columns</MenuButton>
      </FilterBar>
      <ClauseChips />
      {ready === null ? (
        <NotReadable shown={shown} />
      ) : (
        <>
          {query && range.from && range.to && (
            <div class="timeline-wrap">
              {folded && timelineHeight === foldedHeight ? (
                <button type="button" class="timeline-folded" onClick={() => setPreference("timelineFolded", false)} data-tip={paneOpen && !right ? "Folded while an entry is open below" : "Unfold the timeline"}>
                  <span class="mono">{formatClock(range.from, zone)}–{formatClock(range.to, zone)}</span><span class="off-screen">: unfold the timeline</span>
                </button>
              ) : <Timeline query={query} range={range} gaps={gaps} refresh={refresh} height={timelineHeight} />}
            </div>
          )}
          <HonestyStrip snapshot={ready.snapshot} warnings={entries.warnings} />
          {slow && entries.loading === "first" && (
            <p class="searching" role="status">Searching {formatCount(ready.source.entries)} entries… <Button kind="link" onClick={entries.stop}>Stop</Button></p>
          )}
          <div ref={body} class="stream-body">
            {broken && entries.problem ? <QueryProblem problem={entries.problem} onRetry={() => setRefresh((n) => n + 1)} />
              : nothing && query ? <NoMatch query={query} of={entries.of} />
                : <EntryTable entries={entries} gaps={gaps} more={entries.more} />}
            {paneOpen && (
              <>
                <PaneSplitter container={body} right={right} />
                <EntryPane />
              </>
            )}
          </div>
        </>
      )}
      {pcap && ready?.snapshot && (
        <PcapDialog snapshot={ready.snapshot} filter={route.filter} {...(route.filter && { calls: entries.total })} from={route.from && toMs(route.from) ? route.from : ""} to={route.to} onClose={() => setPcap(false)} />
      )}
    </div>
  );
}
