// What the stream shows: Live, or a snapshot. Undissected snapshots are listed with the action that makes them readable.
import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { post, segment } from "../api/client";
import type { Dissection, Source } from "../api/types";
import { formatBytes } from "../format/quantity";
import { formatDate, formatMinute } from "../format/time";
import { loadSources, snapshotOf, snapshotsStore, sourcesStore } from "../state/live";
import { preferences } from "../state/preferences";
import { go, routeStore } from "../state/route";
import { useStore } from "../state/store";
import { Captured } from "../ui/Captured";
import { Icon } from "../ui/Icon";
import { say, sayError } from "../ui/Toasts";

const live: Source = { id: "live", name: "Live", kind: "live", from: null, to: null, size_bytes: 0, state: "live", entries: 0, partial: false };

const goneWords = "A snapshot that is gone";
const months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

function found(source: Source, text: string): boolean {
  const at = source.from ? new Date(source.from) : null;
  const words = `${source.name} ${source.dissection ?? ""} ${at ? `${months[at.getUTCMonth()]} ${at.getUTCDate()} ${source.from}` : ""}`.toLowerCase();
  return text.toLowerCase().split(/\s+/).every((part) => words.includes(part));
}

export function SourceSelect(): JSX.Element {
  const sources = useStore(sourcesStore);
  const snapshots = useStore(snapshotsStore);
  const route = useStore(routeStore);
  const zone = useStore(preferences, (p) => (p.zone === "relative" ? "local" : p.zone));
  const [open, setOpen] = useState(false);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const all = [live, ...sources.filter((s) => s.kind === "snapshot")];
  const current = all.find((s) => s.id === (route.source || "live"));
  const shown = all.filter((s) => found(s, text));
  const chosen = Math.min(at, shown.length - 1);

  useLayoutEffect(() => {
    const popup = box.current;
    if (!open || !popup || !button.current) return;
    const anchor = button.current.getBoundingClientRect();
    popup.style.left = `${anchor.left}px`;
    popup.style.top = `${anchor.bottom + 4}px`;
    popup.showPopover();
    popup.querySelector("input")?.focus();
  }, [open]);

  const percent = (s: Source): string => {
    const [id, name = "default"] = s.id.split(/[:/]/);
    const dissection = snapshots.list?.find((x) => x.id === id)?.dissections.find((d) => d.name === (s.dissection ?? name));
    return dissection ? `Dissecting ${Math.floor(dissection.progress.percent)} %` : "Dissecting";
  };
  const word = (s: Source): string => (s.state === "dissecting" ? percent(s) : s.state === "not_dissected" ? "Dissect" : s.partial ? "partial" : "");
  const choose = (s: Source | undefined): void => {
    if (!s) return;
    box.current?.hidePopover();
    button.current?.focus();
    if (s.state === "not_dissected")
      post<Dissection>(`snapshots/${segment(snapshotOf(s.id))}/dissections`, {}).then(() => {
        say("ok", `Dissecting "${s.name}".`);
        void loadSources();
      }, sayError);
    go({ view: "stream", source: s.id === "live" ? "" : s.id, from: "", to: "", entry: "", tab: "" });
  };

  return (
    <div class="source-select">
      <button ref={button} type="button" class="select" aria-haspopup="listbox" aria-expanded={open} aria-label={`Source: ${current?.name ?? goneWords}`} onClick={() => setOpen(true)}>
        <span class="select-text">{current ? <Captured text={current.name} /> : goneWords}</span>
        <Icon name="down" />
      </button>
      {open && (
        <div ref={box} class="menu source-menu" popover="auto" onToggle={(event) => {
          if (event.newState === "closed") {
            setOpen(false);
            setText("");
          }
        }}>
          <input
            class="input" type="text" role="combobox" aria-expanded="true" aria-controls="source-list" aria-label="Find a source" placeholder="Name or date, “mar 3”" value={text}
            aria-activedescendant={shown[chosen] ? `source-${chosen}` : undefined}
            onInput={(event) => {
              setText(event.currentTarget.value);
              setAt(0);
            }}
            onKeyDown={(event) => {
              if (event.key === "ArrowDown") setAt(Math.min(chosen + 1, shown.length - 1));
              else if (event.key === "ArrowUp") setAt(Math.max(chosen - 1, 0));
              else if (event.key === "Enter") choose(shown[chosen]);
              else return;
              event.preventDefault();
            }}
          />
          <div id="source-list" role="listbox" aria-label="Sources" class="source-list">
            {shown.map((s, i) => (
              <div key={s.id} id={`source-${i}`} role="option" aria-selected={i === chosen} class="source-row" onClick={() => choose(s)}>
                <span class="menu-mark">{s.id === (route.source || "live") && <Icon name="check" />}</span>
                <span class="source-name"><Captured text={s.name} />{s.dissection && s.dissection !== "default" && <span class="hint"> · {s.dissection}</span>}</span>
                <span class={`source-word ${s.state}`}>{word(s)}</span>
                <span class="source-when hint">
                  {s.kind === "live" ? "what the nodes record now" : s.from && s.to ? `${formatDate(s.from, zone)} ${formatMinute(s.from, zone)}–${formatMinute(s.to, zone)} · ${formatBytes(s.size_bytes)}` : formatBytes(s.size_bytes)}
                </span>
              </div>
            ))}
            {shown.length === 0 && <p class="hint source-none">No source of that name or date.</p>}
          </div>
        </div>
      )}
    </div>
  );
}
