// Fields of an entry as the hub's table names and explains them: name, value, what it means. Long texts get a box of their own.
import type { JSX } from "preact";
import type { Body, Entry } from "../api/types";
import { formatBytes, formatExactCount, formatLatency } from "../format/quantity";
import { protocolTag } from "../format/protocol";
import { fieldsStore } from "../state/fields";
import { useStore } from "../state/store";
import { clauseOfField, clauseOfKey, clauseOfMember } from "../stream/valueClauses";
import { Captured } from "../ui/Captured";
import { BodyViewer } from "./BodyViewer";
import { Value } from "./Value";
import { isBlock, languageOf, type FieldGroup, type ShownField } from "./fields";

/** What stands behind a number: 4,096 → 4.00 KiB, 2310 µs → 2.31 ms. */
function inWords(name: string, value: number): string {
  if (/_us$/.test(name)) return value >= 1000 ? formatLatency(value) : "µs";
  if (/(_size|_length|_bytes|\.size)$/.test(name)) return value >= 1000 ? formatBytes(value) : "B";
  return value >= 10_000 && !/(_id|\.port|_code|_status|id)$/.test(name) ? formatExactCount(value) : "";
}

const fewMembers = 50;

function Shown({ entry, field }: { entry: Entry; field: ShownField }): JSX.Element {
  const table = useStore(fieldsStore);
  const { name, value } = field;
  if (Array.isArray(value)) {
    if (value.length === 0) return <span class="hint">none</span>;
    return (
      <>
        {value.slice(0, fewMembers).map((member, i) => {
          const text = typeof member === "object" ? JSON.stringify(member) : String(member);
          return <div key={i}><Value entry={entry} name={name} text={text} clause={clauseOfMember(entry, name, member, table)}><Captured text={text} /></Value></div>;
        })}
        {value.length > fewMembers && <div class="hint">{value.length - fewMembers} more: the tab Raw has all</div>}
      </>
    );
  }
  if (typeof value === "object" && value !== null)
    return (
      <>
        {Object.entries(value).map(([key, member]) => (
          <div key={key}><Value entry={entry} name={`${name}[${key}]`} text={String(member)} clause={clauseOfKey(entry, name, key, String(member), table)}><span class="map-key"><Captured text={key} /></span> <Captured text={String(member)} /></Value></div>
        ))}
      </>
    );
  const text = String(value);
  const hint = typeof value === "number" ? inWords(name, value) : "";
  return <Value entry={entry} name={name} text={text} clause={clauseOfField(entry, name, value, table)}><Captured text={text} />{hint && <span class="hint"> {hint}</span>}</Value>;
}

function FieldRow({ entry, field }: { entry: Entry; field: ShownField }): JSX.Element {
  const { name, info } = field;
  return (
    <div class="kv field" data-field={name}>
      <dt data-tip={info ? `${info.type}\n${info.example}` : undefined}>{name}</dt>
      <dd>
        <div class="field-value mono">{isBlock(field) ? <BodyViewer what={name} body={field.value as Body} language={languageOf(name)} /> : <Shown entry={entry} field={field} />}</div>
        {info?.doc && <div class="field-doc">{info.doc}</div>}
      </dd>
    </div>
  );
}

const titles: Record<string, string> = { call: "Call", identity: "Identity", other: "Others", conn: "Connection", flow: "Flow" };

export function FieldSection({ entry, group }: { entry: Entry; group: FieldGroup }): JSX.Element {
  const title = titles[group.id];
  const tag = protocolTag(group.id);
  return (
    <section class="entry-section fields" aria-label={`Fields: ${title ?? tag.word}`} data-group={group.id}>
      <h3>{title ?? <span class={`tag hue-${tag.hue}`}>{tag.word}</span>} <span class="hint">{group.fields.length}</span></h3>
      <dl>{group.fields.map((field) => <FieldRow key={field.name} entry={entry} field={field} />)}</dl>
    </section>
  );
}
