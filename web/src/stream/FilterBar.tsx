// Time range, filter, Apply. Grey empty, green applied, amber edited, red wrong: and the word says so too.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { post } from "../api/client";
import type { FilterCheckResponse } from "../api/types";
import { useAction } from "../frame/keys";
import { loadFields } from "../state/fields";
import { preferences, setPreference } from "../state/preferences";
import { go, routeStore } from "../state/route";
import { useStore } from "../state/store";
import { Button } from "../ui/Button";
import { TimeRange } from "./TimeRange";
import { indexOfByte } from "./clauses";
import type { FilterEditor } from "./filterEditor";

const historyLength = 20;

export async function checkFilter(filter: string): Promise<FilterCheckResponse> {
  return post<FilterCheckResponse>("filter/check", { filter });
}

interface Props {
  /** What the last query said about the applied filter. */
  problem: string;
  onDone: () => void;
  children: ComponentChildren;
}

export function FilterBar({ problem, onDone, children }: Props): JSX.Element {
  const applied = useStore(routeStore, (r) => r.filter);
  const host = useRef<HTMLDivElement>(null);
  const editor = useRef<FilterEditor | null>(null);
  const [draft, setDraft] = useState(applied);
  const [check, setCheck] = useState<FilterCheckResponse | null>(null);
  const latest = useRef({ draft, onDone });
  latest.current = { draft, onDone };

  const apply = async (): Promise<void> => {
    const text = editor.current?.text().trim() ?? latest.current.draft.trim();
    if (text) {
      const answer = await checkFilter(text).catch(() => null); // when the hub is away, the query says so
      if (answer && !answer.ok) return setCheck(answer);
      const { filterHistory } = preferences.get();
      setPreference("filterHistory", [text, ...filterHistory.filter((f) => f !== text)].slice(0, historyLength));
    }
    editor.current?.setText(text);
    setDraft(text);
    go({ filter: text, entry: "" });
  };

  useEffect(() => {
    let gone = false;
    void import("./filterEditor").then(({ createFilterEditor }) => {
      if (gone || !host.current) return;
      const made = createFilterEditor(host.current, { onChange: setDraft, onApply: () => void apply(), onEscape: () => latest.current.onDone() });
      made.setText(latest.current.draft);
      editor.current = made;
      loadFields().then((table) => made.setVocabulary(table.response, preferences.get().filterHistory), () => undefined);
    });
    return () => {
      gone = true;
      editor.current?.destroy();
      editor.current = null;
    };
  }, []);

  useEffect(() => {
    setDraft(applied);
    editor.current?.setText(applied);
  }, [applied]);

  // The compiler's word on what is written, when the typing rests.
  useEffect(() => {
    setCheck(null);
    editor.current?.setProblem(null);
    if (!draft.trim()) return;
    let stale = false;
    const timer = setTimeout(() => {
      checkFilter(draft).then(
        (answer) => {
          if (stale) return;
          setCheck(answer);
          if (answer.ok) return;
          const from = indexOfByte(draft, answer.offset ?? 0);
          editor.current?.setProblem({ from, to: from + (answer.token?.length ?? 1), text: [answer.error, answer.suggestion].filter(Boolean).join(": ") });
        },
        () => undefined, // the hub is away: the banner says so
      );
    }, 200);
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [draft]);

  useAction("filter.focus", () => editor.current?.focus());
  useAction("filter.clear", applied ? () => go({ filter: "" }) : null);

  const edited = draft.trim() !== applied.trim();
  const wrong = check !== null && !check.ok;
  const state = wrong || (!edited && problem) ? "wrong" : !draft.trim() && !edited ? "empty" : edited ? "edited" : "applied";
  const at = check?.offset === undefined ? "" : ` at ${indexOfByte(draft, check.offset) + 1}`;
  const word = { wrong: `error${at}`, empty: "", edited: "edited: Ctrl+Enter", applied: "applied" }[state];
  const reason = wrong ? [check.error, check.suggestion].filter(Boolean).join(" · ") : problem;
  const [warning] = check?.ok && !wrong ? check.warnings : [];

  return (
    <div class="filter-area" data-region="filter">
      <div class="filter-bar">
        <TimeRange />
        <div class={`filter-box is-${state}`}>
          <div ref={host} class="filter-editor" data-region-focus />
          <span class="filter-word" role="status" data-tip={reason || undefined}>{word}</span>
        </div>
        <Button kind="primary" onClick={() => void apply()} tip="Apply the filter (Ctrl+Enter)" disabled={wrong ? check.error ?? "The filter has an error" : ""}>Apply</Button>
        {children}
      </div>
      {state === "wrong" && reason && <p class="filter-reason" role="alert">{reason}</p>}
      {warning && state !== "wrong" && (
        <p class="filter-reason warn">
          {warning.text}{" "}
          {warning.clause && <Button kind="link" onClick={() => {
            if (warning.clause) {
              editor.current?.setText(warning.clause);
              setDraft(warning.clause);
              go({ filter: warning.clause, entry: "" });
            }
          }}>{`Use ${warning.clause}`}</Button>}
        </p>
      )}
    </div>
  );
}
