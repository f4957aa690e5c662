import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import type { Entry } from "../api/types";
import { fieldsStore } from "../state/fields";
import { useStore } from "../state/store";
import { clauseOfKey } from "../stream/valueClauses";
import { Button } from "../ui/Button";
import { Captured } from "../ui/Captured";
import { Value } from "./Value";

export function KeyValue({ name, captured, tip, children }: { name: string; captured?: boolean; tip?: string; children: ComponentChildren }): JSX.Element {
  return (
    <div class="kv">
      <dt>{captured ? <Captured text={name} /> : name}</dt>
      <dd class="mono" data-tip={tip}>{children}</dd>
    </div>
  );
}

const redacted = /^(?:redacted|•+.*)$/;
const fewRows = 20;
const longValue = 480;

function Whole({ name, value }: { name: string; value: string }): JSX.Element {
  const [all, setAll] = useState(false);
  if (redacted.test(value)) return <span class="redacted">•••• redacted ({name})</span>;
  if (value.length <= longValue || all) return <Captured text={value} />;
  return <><Captured text={value.slice(0, longValue)} />… <Button kind="link" onClick={(event) => {
    event.stopPropagation();
    setAll(true);
  }}>{`show all ${value.length}`}</Button></>;
}

/** Names and values of a map as captured: headers, cookies, query. */
export function CapturedMap({ entry, field, map, title }: { entry: Entry; field: string; map: Record<string, string>; title: string }): JSX.Element | null {
  const [all, setAll] = useState(false);
  const table = useStore(fieldsStore);
  const rows = Object.entries(map);
  if (rows.length === 0) return null;
  const shown = all ? rows : rows.slice(0, fewRows);
  return (
    <section class="entry-section">
      <h3>{title} <span class="hint">{rows.length}</span></h3>
      <dl>{shown.map(([name, value]) => <KeyValue key={name} name={name} captured><Value entry={entry} name={name} text={String(value)} clause={redacted.test(value) ? null : clauseOfKey(entry, field, name, String(value), table)}><Whole name={name} value={String(value)} /></Value></KeyValue>)}</dl>
      {shown.length < rows.length && <Button kind="link" onClick={() => setAll(true)}>Show all {rows.length}</Button>}
    </section>
  );
}
