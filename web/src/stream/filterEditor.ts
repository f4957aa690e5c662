// CodeMirror in a shadow root (its styles are adopted sheets, which the content security policy allows): one line, completion from the field table.
import { acceptCompletion, autocompletion, completionKeymap, completionStatus, startCompletion, type Completion, type CompletionContext, type CompletionResult } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { setDiagnostics } from "@codemirror/lint";
import { EditorState, Transaction } from "@codemirror/state";
import { EditorView, keymap, placeholder, tooltips } from "@codemirror/view";
import type { FieldsResponse } from "../api/types";
import { searchEverywhere } from "./clauses";

export interface FilterEditor {
  text(): string;
  setText(text: string): void;
  focus(): void;
  setProblem(problem: { from: number; to: number; text: string } | null): void;
  setVocabulary(vocabulary: FieldsResponse, history: string[]): void;
  destroy(): void;
}

interface Listeners {
  onChange(text: string): void;
  onApply(): void;
  onEscape(): void;
}

const theme = EditorView.theme({
  "&": { height: "26px", background: "transparent", color: "var(--text)", fontSize: "12px" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "26px", overflowX: "auto", overflowY: "hidden", scrollbarWidth: "none" },
  ".cm-content": { padding: "0", caretColor: "var(--text)" },
  ".cm-line": { padding: "0 8px" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { background: "var(--selected) !important" },
  ".cm-content ::selection": { background: "var(--selected)" },
  ".cm-placeholder": { color: "var(--text-3)" },
  ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline wavy var(--error) 1px", textUnderlineOffset: "3px" },
  ".cm-tooltip": { border: "1px solid var(--border)", borderRadius: "4px", background: "var(--surface)", color: "var(--text)", boxShadow: "var(--shadow)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", fontSize: "12px", maxHeight: "280px", minWidth: "320px" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "0 8px", lineHeight: "24px", display: "flex", gap: "12px" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { background: "var(--selected) !important", color: "var(--text) !important" },
  ".cm-completionMatchedText": { textDecoration: "none", color: "var(--accent)" },
  ".cm-completionDetail": { marginLeft: "auto", fontStyle: "normal", color: "var(--text-3)" },
  ".cm-completionInfo": { padding: "8px", maxWidth: "320px", fontFamily: "var(--ui)", fontSize: "12px", lineHeight: "18px", whiteSpace: "pre-line" },
  ".cm-diagnostic-error": { borderLeft: "3px solid var(--error)" },
  ".cm-diagnostic": { padding: "4px 8px", fontFamily: "var(--ui)", fontSize: "12px" },
});

/** One line for ever: what is pasted with line ends becomes spaces. */
const oneLine = EditorState.transactionFilter.of((tr) => (tr.newDoc.lines > 1 ? [{ changes: { from: 0, to: tr.startState.doc.length, insert: tr.newDoc.toString().replace(/\s*\n\s*/g, " ") }, selection: { anchor: Math.min(tr.newDoc.length, tr.newSelection.main.head) } }] : tr));

function vocabularyOptions(vocabulary: FieldsResponse): Completion[] {
  return [
    ...vocabulary.fields.map((f): Completion => ({ label: f.name, detail: f.type, info: `${f.doc}\n${f.example}`, type: "variable" })),
    ...vocabulary.functions.map((f): Completion => ({ label: f.name, detail: "function", info: `${f.doc}\n${f.example}`, type: "function", boost: -10 })),
  ];
}

const operators: Record<string, Completion[]> = {
  number: ["==", ">=", "<=", "!=", ">", "<"].map((label) => ({ label, detail: "compare" })),
  text: [{ label: "==", detail: "compare" }, { label: "!=", detail: "compare" }, { label: ".contains(\"\")", detail: "part of it" }, { label: ".startsWith(\"\")", detail: "begins with" }, { label: ".matches(\"\")", detail: "regular expression" }],
  join: [{ label: "&&", detail: "and" }, { label: "||", detail: "or" }],
};

export function createFilterEditor(host: HTMLElement, listeners: Listeners): FilterEditor {
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open", delegatesFocus: true });
  let options: Completion[] = [];
  let names: ReadonlySet<string> = new Set();
  let types = new Map<string, string>();
  let past: string[] = [];
  let silent = false;

  const complete = (context: CompletionContext): CompletionResult | null => {
    const before = context.state.sliceDoc(0, context.pos);
    const whole = context.state.doc.toString();
    if (!whole.trim()) return context.explicit && past.length > 0 ? { from: 0, options: past.map((label, i) => ({ label, detail: "before", boost: -i })), filter: false } : context.explicit ? { from: 0, options } : null;
    const everywhere = searchEverywhere(whole, names);
    const search: Completion[] = everywhere && context.pos === whole.length
      ? [{ label: `Search everywhere for "${whole.trim()}"`, detail: "", boost: 99, apply: (view, _completion, _from, _to) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: everywhere }, selection: { anchor: everywhere.length } }) }]
      : [];
    const afterField = /([a-z_][a-z0-9_.]*)\s+$/i.exec(before);
    if (afterField && types.has(afterField[1] ?? "")) {
      const type = types.get(afterField[1] ?? "") ?? "";
      return { from: context.pos, options: type === "bool" ? operators["join"] ?? [] : type === "string" ? operators["text"] ?? [] : operators["number"] ?? [] };
    }
    const word = context.matchBefore(/[a-zA-Z_][\w.]*/);
    // A word that begins a field's name is a field first, and a search after that.
    const begun = options.filter((o) => o.label.startsWith(whole.trim()));
    if (search.length > 0) return { from: 0, options: [...(begun.length > 0 ? [...begun, ...search.map((o) => ({ ...o, boost: -50 }))] : search), ...options.filter((o) => !begun.includes(o) && o.label.includes(whole.trim()))], filter: false };
    if (!word && !context.explicit) return null;
    const from = word?.from ?? context.pos;
    return { from, options, validFor: /^[\w.]*$/ };
  };

  const view = new EditorView({
    parent: root,
    root,
    state: EditorState.create({
      extensions: [
        oneLine,
        history(),
        placeholder('Filter, e.g. http && status_code >= 500, or plain words'),
        autocompletion({ override: [complete], icons: false, maxRenderedOptions: 100 }),
        tooltips({ position: "fixed" }),
        EditorView.contentAttributes.of({ "aria-label": "Display filter", autocapitalize: "off", spellcheck: "false", tabindex: "0" }),
        keymap.of([
          { key: "Mod-Enter", run: () => (listeners.onApply(), true) },
          { key: "Enter", run: (v) => (completionStatus(v.state) === "active" && acceptCompletion(v)) || (listeners.onApply(), true) },
          { key: "Tab", run: (v) => acceptCompletion(v) },
          { key: "Escape", run: (v) => { if (completionStatus(v.state) !== null) return false; listeners.onEscape(); return true; } },
          { key: "ArrowDown", run: (v) => (completionStatus(v.state) === null && v.state.doc.length === 0 ? startCompletion(v) : false) },
          ...completionKeymap,
          ...historyKeymap,
          ...defaultKeymap,
        ]),
        EditorView.updateListener.of((update) => {
          if (update.docChanged && !silent) listeners.onChange(update.state.doc.toString());
        }),
        theme,
      ],
    }),
  });

  return {
    text: () => view.state.doc.toString(),
    setText(text) {
      if (view.state.doc.toString() === text) return;
      silent = true;
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text }, annotations: Transaction.addToHistory.of(true) });
      silent = false;
    },
    focus: () => view.focus(),
    setProblem(problem) {
      const length = view.state.doc.length;
      const from = problem ? Math.min(problem.from, Math.max(0, length - 1)) : 0;
      view.dispatch(setDiagnostics(view.state, problem && length > 0 ? [{ from, to: Math.min(length, Math.max(problem.to, from + 1)), severity: "error", message: problem.text }] : []));
    },
    setVocabulary(vocabulary, before) {
      options = vocabularyOptions(vocabulary);
      names = new Set(vocabulary.fields.map((f) => f.name));
      types = new Map(vocabulary.fields.map((f) => [f.name, f.type]));
      past = before;
    },
    destroy: () => view.destroy(),
  };
}
