// A JSON value as a tree: two levels open, the rest made when it is opened. Text nodes only.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Button } from "../ui/Button";
import { Captured } from "../ui/Captured";
import { ExactNumber } from "./json";

const openLevels = 2;
const pageSize = 100;
const longText = 2000;

type Plain = string | number | boolean | null | ExactNumber;

function Scalar({ value }: { value: Plain }): JSX.Element {
  const [all, setAll] = useState(false);
  if (typeof value === "string") {
    const cut = !all && value.length > longText;
    return <span class="json-text">"<Captured text={cut ? value.slice(0, longText) : value} />{cut ? <>… <Button kind="link" onClick={() => setAll(true)}>{`show all ${value.length}`}</Button></> : '"'}</span>;
  }
  return <span class={value === null ? "json-null" : "json-number"}>{value instanceof ExactNumber ? value.source : String(value)}</span>;
}

function Node({ name, value, level }: { name: string | null; value: unknown; level: number }): JSX.Element {
  const [open, setOpen] = useState(level < openLevels);
  const [shown, setShown] = useState(pageSize);
  const label = name === null ? null : <><span class="json-key"><Captured text={name} /></span>: </>;
  if (typeof value !== "object" || value === null || value instanceof ExactNumber) return <div class="json-line">{label}<Scalar value={value as Plain} /></div>;
  const list = Array.isArray(value);
  const members: [string, unknown][] = list ? (value as unknown[]).map((v, i) => [String(i), v]) : Object.entries(value);
  const [left, right] = list ? ["[", "]"] : ["{", "}"];
  if (members.length === 0) return <div class="json-line">{label}{left}{right}</div>;
  return (
    <div class="json-branch">
      <button type="button" class="json-toggle" aria-expanded={open} onClick={() => setOpen(!open)}>
        <span class="json-arrow" aria-hidden="true">{open ? "▾" : "▸"}</span>
        {label}{left}{!open && <span class="json-count"> {members.length} {right}</span>}
      </button>
      {open && (
        <div class="json-members">
          {members.slice(0, shown).map(([key, member]) => <Node key={key} name={key} value={member} level={level + 1} />)}
          {members.length > shown && <Button kind="link" onClick={() => setShown(shown + pageSize * 10)}>{members.length - shown} more</Button>}
        </div>
      )}
      {open && <div class="json-line">{right}</div>}
    </div>
  );
}

export function JsonTree({ value }: { value: unknown }): JSX.Element {
  return <div class="json mono"><Node name={null} value={value} level={0} /></div>;
}
