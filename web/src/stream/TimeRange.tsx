// The time range beside the filter: empty means all of the source.
import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { formatBoth, formatClock, formatDate, parseTyped } from "../format/time";
import { sourcesStore } from "../state/live";
import { preferences } from "../state/preferences";
import { go, routeStore } from "../state/route";
import { useStore } from "../state/store";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";

export function TimeRange(): JSX.Element {
  const route = useStore(routeStore);
  const source = useStore(sourcesStore).find((s) => s.id === route.source);
  const zone = useStore(preferences, (p) => (p.zone === "relative" ? "local" : p.zone));
  const [open, setOpen] = useState(false);
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const popup = useRef<HTMLFormElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const set = route.from !== "" || route.to !== "";
  const start = route.from || source?.from || "";
  const end = route.to || source?.to || "";
  const words = set && start && end ? `${formatClock(start, zone)}–${formatClock(end, zone)}` : "All times";

  useLayoutEffect(() => {
    if (!open || !popup.current || !button.current) return;
    const at = button.current.getBoundingClientRect();
    popup.current.style.left = `${at.left}px`;
    popup.current.style.top = `${at.bottom + 4}px`;
    popup.current.showPopover();
    popup.current.querySelector("input")?.focus();
  }, [open]);

  const full = (at: string): string => (at ? `${formatDate(at, zone)} ${formatClock(at, zone)}` : "");
  const fromIso = from.trim() ? parseTyped(from, zone) : "";
  const toIso = to.trim() ? parseTyped(to, zone) : "";
  const bad = fromIso === null || toIso === null;

  return (
    <>
      <button ref={button} type="button" class={`select time-range ${set ? "set" : ""}`} aria-haspopup="dialog" aria-expanded={open} aria-label={`Time range: ${words}`} data-tip={start && end ? `${formatBoth(start)}\n${formatBoth(end)}` : undefined}
        onClick={() => {
          setFrom(full(route.from));
          setTo(full(route.to));
          setOpen(true);
        }}>
        <span class="mono">{words}</span>
        <Icon name="down" />
      </button>
      {open && (
        <form ref={popup} class="menu time-menu" popover="auto" onToggle={(event) => event.newState === "closed" && setOpen(false)}
          onSubmit={(event) => {
            event.preventDefault();
            if (bad) return;
            go({ from: fromIso ?? "", to: toIso ?? "", entry: "" });
            popup.current?.hidePopover();
            button.current?.focus();
          }}>
          <label>From<input class="input mono" size={22} spellcheck={false} value={from} placeholder={source?.from ? full(source.from) : "-10m, 14:02"} aria-invalid={fromIso === null} onInput={(event) => setFrom(event.currentTarget.value)} /></label>
          <label>To<input class="input mono" size={22} spellcheck={false} value={to} placeholder={source?.to ? full(source.to) : "now"} aria-invalid={toIso === null} onInput={(event) => setTo(event.currentTarget.value)} /></label>
          {bad && <p class="field-error">Write 14:02, -10m, 2026-03-03 14:02 or ISO.</p>}
          <div class="time-actions">
            <Button kind="link" onClick={() => {
              go({ from: "", to: "" });
              popup.current?.hidePopover();
            }}>All times</Button>
            <Button kind="primary" type="submit" disabled={bad ? "A time is not readable" : ""}>Set</Button>
          </div>
        </form>
      )}
    </>
  );
}
