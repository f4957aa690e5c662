// Every action that can be done here and now, by name.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { useStore } from "../state/store";
import { Dialog } from "../ui/Dialog";
import { Keys } from "./KeyHelp";
import { actions, available, run } from "./keys";

export function Palette({ onClose }: { onClose: () => void }): JSX.Element {
  const now = useStore(available);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = actions.filter((a) => now.has(a.id) && a.id !== "palette" && words.every((w) => `${a.group} ${a.words}`.toLowerCase().includes(w)));
  const chosen = Math.min(at, found.length - 1);
  const choose = (index: number): void => {
    const action = found[index];
    if (!action) return;
    onClose();
    setTimeout(() => run(action.id)); // after the dialog has given the focus back
  };
  return (
    <Dialog title="Every action" class="palette" onClose={onClose} onSubmit={() => choose(chosen)}>
      <input
        class="input"
        type="text"
        role="combobox"
        aria-label="Action"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={found[chosen] ? `palette-${chosen}` : undefined}
        placeholder="Type to find an action"
        autofocus
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown") setAt(Math.min(chosen + 1, found.length - 1));
          else if (event.key === "ArrowUp") setAt(Math.max(chosen - 1, 0));
          else return;
          event.preventDefault();
        }}
      />
      <ul id="palette-list" role="listbox" aria-label="Actions" class="palette-list">
        {found.map((action, i) => (
          <li key={action.id} id={`palette-${i}`} role="option" aria-selected={i === chosen} onClick={() => choose(i)}>
            <span class="hint">{action.group}</span>
            <span>{action.words}</span>
            <Keys keys={action.keys} />
          </li>
        ))}
      </ul>
      {found.length === 0 && <p class="hint">No action of that name can be done here.</p>}
    </Dialog>
  );
}
