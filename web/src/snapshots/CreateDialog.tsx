// Name, window, nodes, with what the rings hold before one presses Create.
import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ApiError, get, post } from "../api/client";
import type { AvailabilityResponse, CreateSnapshotRequest, Snapshot } from "../api/types";
import { formatBytes, formatSpan, plural } from "../format/quantity";
import { formatClock, formatDate, formatMinute, fromMs, parseTyped, zoneWord } from "../format/time";
import { nodesStore, snapshotsStore, takeSnapshot } from "../state/live";
import { preferences } from "../state/preferences";
import { useStore } from "../state/store";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { Icon } from "../ui/Icon";
import { say } from "../ui/Toasts";
import { AvailabilityStrip } from "./AvailabilityStrip";
import { show } from "./actions";
import { assess, lanesOf, oldestOf, presets, resolve, suggestName, type Choice } from "./window";

/** What the nodes hold at all, then the estimate for the chosen window, asked for when the choice rests. */
function useAvailability(window: { from: number; to: number }, nodes: string[], now: number): { all: AvailabilityResponse | null; estimate: AvailabilityResponse | null; error: string } {
  const oldest = useStore(nodesStore, (n) => n.data?.nodes.map((x) => x.ring.oldest).filter(Boolean).sort()[0] ?? "");
  const [all, setAll] = useState<AvailabilityResponse | null>(null);
  const [estimate, setEstimate] = useState<AvailabilityResponse | null>(null);
  const [error, setError] = useState("");
  useEffect(() => {
    get<AvailabilityResponse>("availability", { from: oldest || fromMs(now - 86_400_000), to: fromMs(now) }).then(setAll, (e: unknown) => setError(String((e as Error).message)));
  }, []);
  useEffect(() => {
    const stop = new AbortController();
    const timer = setTimeout(() => {
      get<AvailabilityResponse>("availability", { from: fromMs(window.from), to: fromMs(Math.max(window.to, window.from + 1)), nodes: nodes.join(",") }, stop.signal).then(
        (answer) => {
          setEstimate(answer);
          setError("");
        },
        (e: unknown) => {
          if (!stop.signal.aborted) setError(String((e as Error).message));
        },
      );
    }, 150);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [Math.round(window.from / 1000), Math.round(window.to / 1000), nodes.join(",")]);
  return { all, estimate, error };
}

export function CreateDialog({ onClose }: { onClose: () => void }): JSX.Element {
  const zone = useStore(preferences, (p) => (p.zone === "relative" ? "local" : p.zone));
  const taken = useStore(snapshotsStore, (s) => s.list);
  const known = useStore(nodesStore, (n) => n.data?.nodes);
  const [now] = useState(() => Date.now());
  const [name, setName] = useState(() => suggestName((taken ?? []).map((s) => s.name)));
  const [choice, setChoice] = useState<Choice>({ kind: "last", seconds: 300 });
  const [typed, setTyped] = useState<{ from: string; to: string } | null>(null);
  const [picked, setPicked] = useState<string[] | null>(null);
  const [autoDissect, setAutoDissect] = useState(true);
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<ApiError | null>(null);
  const createButton = useRef<HTMLDivElement>(null);

  const names = (known ?? []).map((n) => n.name);
  const nodes = picked ?? names;
  const [roughLanes, setRoughLanes] = useState<ReturnType<typeof lanesOf>>([]);
  const window = resolve(choice, roughLanes, now);
  const { all, estimate, error } = useAvailability(window, picked ?? [], now);
  const lanes = useMemo(() => (all ? lanesOf(all) : []), [all]);
  useEffect(() => setRoughLanes(lanes), [lanes]);
  const mine = lanes.filter((l) => nodes.includes(l.name) || picked === null);
  const verdict = all ? assess(window, mine, now, zone) : null;
  const held = oldestOf(mine);
  const heldSpan = held ? (now - held.at) / 1000 : 0;

  const setWindow = (next: { from: number; to: number }): void => {
    setChoice({ kind: "range", ...next });
    setTyped(null);
    setRefusal(null);
  };
  const edge = (which: "from" | "to"): string => typed?.[which] ?? formatClock(fromMs(window[which]), zone);
  const type = (which: "from" | "to", text: string): void => {
    setTyped({ from: edge("from"), to: edge("to"), [which]: text });
    const at = parseTyped(text, zone, now);
    if (at === null) return;
    setChoice({ kind: "range", ...window, [which]: Date.parse(at) });
    setRefusal(null);
  };
  const badTyped = (["from", "to"] as const).filter((which) => typed && parseTyped(typed[which], zone, now) === null);
  const full = (ms: number): string => `${formatDate(fromMs(ms), zone)} ${formatClock(fromMs(ms), zone)} ${zone === "utc" ? "UTC" : `${zoneWord("local")} = ${formatClock(fromMs(ms), "utc")} UTC`}`;

  const quota = estimate?.quota ?? all?.quota;
  const tooBig = estimate && quota && quota.limit_bytes > 0 && estimate.estimate_bytes > quota.free_bytes;
  const why = !name.trim() ? "A name is needed" : nodes.length === 0 ? "Choose at least one node" : badTyped.length ? "A time is not readable" : verdict?.kind === "wrong" || verdict?.kind === "nothing" ? verdict.sentences[0] ?? "" : busy ? "Asking the hub" : "";

  const create = async (): Promise<void> => {
    if (why) return;
    setBusy(true);
    setRefusal(null);
    const body: CreateSnapshotRequest = { name: name.trim(), auto_dissect: autoDissect, allow_partial: true };
    if (choice.kind === "last") body.last_s = choice.seconds;
    else if (choice.kind === "max") body.max = true;
    else Object.assign(body, { from: fromMs(choice.from), to: fromMs(choice.to) });
    if (picked !== null) body.nodes = picked;
    try {
      const snapshot = await post<Snapshot>("snapshots", body);
      takeSnapshot(snapshot);
      say("ok", `"${snapshot.name}" is being created from ${plural(nodes.length, "node")}.`, [{ label: "Show", run: () => show(snapshot.id) }]);
      onClose();
    } catch (problem) {
      if (problem instanceof ApiError) setRefusal(problem);
      else throw problem;
    } finally {
      setBusy(false);
    }
  };

  const segment = (word: string, next: Choice, chosen: boolean, tip?: string): JSX.Element => (
    <button type="button" role="radio" class="segment" aria-checked={chosen} tabIndex={chosen ? 0 : -1} data-tip={tip} onClick={() => {
      setChoice(next);
      setTyped(null);
      setRefusal(null);
    }}>
      {word}
    </button>
  );
  const short = verdict?.kind === "partial" ? verdict.sentences : [];
  const available = refusal?.problem.available;

  return (
    <Dialog title="Create snapshot" class="wide create" onClose={onClose} onSubmit={() => void create()}
      footer={
        <div class="create-foot" ref={createButton}>
          <span class={`grow ${tooBig ? "tone-error" : "hint"}`} role="status">
            {estimate && quota ? (tooBig ? `Needs ≈ ${formatBytes(estimate.estimate_bytes)}, ${formatBytes(quota.free_bytes)} are free.` : `≈ ${formatBytes(estimate.estimate_bytes)}${quota.limit_bytes > 0 ? ` of ${formatBytes(quota.free_bytes)} free` : ""}`) : error ? "" : "Estimating…"}
          </span>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" disabled={why}>{verdict?.kind === "partial" ? "Create partial" : "Create"}</Button>
        </div>
      }
    >
      <div class="form-row">
        <label class="form-label" for="snapshot-name">Name</label>
        <div class="form-control"><input id="snapshot-name" class="input grow" autofocus maxLength={200} spellcheck={false} value={name} onFocus={(event) => event.currentTarget.select()} onInput={(event) => setName(event.currentTarget.value)} /></div>
      </div>
      <div class="form-row">
        <span class="form-label" id="window-label">Window</span>
        <div class="form-control">
          <div class="segments" role="radiogroup" aria-labelledby="window-label" onKeyDown={(event) => {
            const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
            if (step === undefined) return;
            event.preventDefault();
            const list = [...event.currentTarget.querySelectorAll<HTMLButtonElement>("button")];
            const next = list[(list.indexOf(document.activeElement as HTMLButtonElement) + step + list.length) % list.length];
            next?.focus();
            next?.click();
          }}>
            {presets.map((p) => segment(p.word, { kind: "last", seconds: p.seconds }, choice.kind === "last" && choice.seconds === p.seconds, held && heldSpan < p.seconds - 2 ? `has only ${formatSpan(heldSpan)}` : undefined))}
            {segment("All", { kind: "max" }, choice.kind === "max", held ? `everything the nodes hold: ${formatSpan(heldSpan)}` : undefined)}
            {segment("From–to", { kind: "range", ...window }, choice.kind === "range")}
          </div>
          <div class="typed">
            {(["from", "to"] as const).map((which) => (
              <label key={which}>
                <span class="hint">{which === "from" ? "From" : "To"}</span>
                <input class="input mono" size={20} spellcheck={false} aria-label={which === "from" ? "From" : "To"} aria-invalid={badTyped.includes(which)} value={edge(which)} onInput={(event) => type(which, event.currentTarget.value)} onBlur={() => badTyped.length === 0 && setTyped(null)} />
                <span class={badTyped.includes(which) ? "field-error" : "hint mono"}>{badTyped.includes(which) ? "Write 14:02, -10m, 2026-03-03 14:02 or ISO." : full(window[which])}</span>
              </label>
            ))}
          </div>
        </div>
      </div>
      {all && lanes.length > 0 && <AvailabilityStrip lanes={mine} window={window} now={now} zone={zone} onChange={setWindow} />}
      {error && <div class="notice error"><Icon name="warning" /><span>What the nodes hold is not known: {error}</span></div>}
      {verdict?.kind === "nothing" && (
        <div class="notice warn" role="status">
          <Icon name="warning" />
          <span>
            {verdict.sentences[0]}{" "}
            {verdict.use && <Button kind="link" onClick={() => verdict.use && setWindow(verdict.use)}>Use {formatMinute(fromMs(verdict.use.from), zone)}–now</Button>}
          </span>
        </div>
      )}
      {verdict?.kind === "wrong" && <div class="notice error" role="status"><Icon name="warning" /><span>{verdict.sentences[0]}</span></div>}
      {short.length > 0 && (
        <div class="notice warn" role="status">
          <Icon name="warning" />
          <span>{short.slice(0, 3).join(" ")}{short.length > 3 ? ` And ${short.length - 3} more.` : ""}</span>
        </div>
      )}
      {verdict?.kind === "ok" && verdict.sentences.length > 0 && <div class="notice info"><Icon name="info" /><span>{verdict.sentences.join(" ")}</span></div>}
      {refusal && (
        <div class="notice error" role="alert">
          <Icon name="warning" />
          <span>
            {refusal.message}{" "}
            {available && <Button kind="link" onClick={() => setWindow({ from: Date.parse(available.from), to: Date.parse(available.to) })}>Use {formatMinute(available.from, zone)}–{formatMinute(available.to, zone)}</Button>}
          </span>
        </div>
      )}
      <div class="form-row">
        <span class="form-label">Nodes</span>
        <div class="form-control">
          <label class="check-row"><input type="checkbox" checked={picked === null} onChange={() => setPicked(picked === null ? names : null)} /> {names.length === 1 ? `${names[0]}` : `All ${names.length}`}</label>
          {picked !== null && (
            <div class="node-picks form-note">
              {names.map((node) => (
                <label class="check-row" key={node}><input type="checkbox" checked={picked.includes(node)} onChange={() => setPicked(picked.includes(node) ? picked.filter((x) => x !== node) : [...picked, node])} /> <span class="mono">{node}</span></label>
              ))}
            </div>
          )}
        </div>
      </div>
      <div class="form-row last">
        <span class="form-label">Then</span>
        <div class="form-control"><label class="check-row"><input type="checkbox" checked={autoDissect} onChange={() => setAutoDissect(!autoDissect)} /> Auto-dissect</label><span class="hint">It is kept until somebody deletes it.</span></div>
      </div>
    </Dialog>
  );
}
