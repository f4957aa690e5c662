// One chip per top-level clause: click switches it off (it stays, struck through), Alt+click or n negates, × removes.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { go, routeStore } from "../state/route";
import { useStore } from "../state/store";
import { Captured } from "../ui/Captured";
import { Icon } from "../ui/Icon";
import { clausesOf, joinClauses, negate } from "./clauses";

interface Chip {
  text: string;
  off: boolean;
}

export function ClauseChips(): JSX.Element | null {
  const filter = useStore(routeStore, (r) => r.filter);
  const [chips, setChips] = useState<Chip[]>([]);
  // Chips that are off keep their place as long as the rest is what they stood beside.
  useEffect(() => {
    setChips((before) => {
      if (joinClauses(before.filter((c) => !c.off).map((c) => c.text)) === filter) return before;
      const now = clausesOf(filter);
      return [...now.map((text) => ({ text, off: false })), ...before.filter((c) => c.off && !now.includes(c.text) && filter !== "")];
    });
  }, [filter]);
  const set = (next: Chip[]): void => {
    setChips(next);
    go({ filter: joinClauses(next.filter((c) => !c.off).map((c) => c.text)), entry: "" });
  };
  if (chips.length === 0) return null;
  return (
    <div class="clauses" role="group" aria-label="Clauses of the filter">
      {chips.map((chip, i) => {
        const flip = (): void => set(chips.map((c, j) => (j === i ? { ...c, off: !c.off } : c)));
        const not = (): void => set(chips.map((c, j) => (j === i ? { text: negate(c.text), off: false } : c)));
        return (
          <span class={`clause ${chip.off ? "off" : ""}`} key={`${i}${chip.text}`}>
            <button type="button" class="clause-text mono" aria-pressed={!chip.off} data-tip={`${chip.text}\nClick: ${chip.off ? "on" : "off"} · Alt+click or n: negate`}
              onClick={(event) => (event.altKey ? not() : flip())}
              onKeyDown={(event) => {
                if (event.key === "n") not();
                else if (event.key === "Delete" || event.key === "Backspace") set(chips.filter((_, j) => j !== i));
                else return;
                event.preventDefault();
                event.stopPropagation();
              }}>
              <Captured text={chip.text} />
            </button>
            <button type="button" class="clause-remove" aria-label={`Remove ${chip.text}`} onClick={() => set(chips.filter((_, j) => j !== i))}><Icon name="close" /></button>
          </span>
        );
      })}
    </div>
  );
}
