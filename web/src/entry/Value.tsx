// A value that can be clicked: add its exact clause to the filter, take it out, copy it. Text stays selectable; the button is for the keyboard.
import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import type { Entry } from "../api/types";
import { ValueMenu } from "../stream/ValueMenu";
import type { ValueClause } from "../stream/valueClauses";
import { Button } from "../ui/Button";

interface Props {
  entry: Entry;
  name: string;
  text: string;
  clause: ValueClause | null;
  children: ComponentChildren;
}

export function Value({ entry, name, text, clause, children }: Props): JSX.Element {
  const [at, setAt] = useState<{ x: number; y: number } | null>(null);
  return (
    <span class="value">
      <span class="value-text" onClick={(event) => {
        if (!getSelection()?.toString()) setAt({ x: event.clientX, y: event.clientY });
      }}>{children}</span>
      <Button kind="ghost" icon="plus" class="value-more" popup="menu" label={`Filter by or copy ${name}`} expanded={at !== null} onClick={(event) => {
        const box = (event.currentTarget as Element).getBoundingClientRect();
        setAt({ x: box.left, y: box.bottom });
      }} />
      {at && <ValueMenu at={{ entry, column: "", value: { clause, text, name }, ...at }} onClose={() => setAt(null)} />}
    </span>
  );
}
