// Sentences in the corner: what happened, why, what to do. Success leaves after 5 s, errors stay; at most three.
import type { JSX } from "preact";
import { ApiError } from "../api/client";
import { createStore, useStore } from "../state/store";
import { Button } from "./Button";
import { Captured } from "./Captured";

export interface ToastAction {
  label: string;
  run: () => void;
}

interface Toast {
  id: number;
  tone: "ok" | "warn" | "error";
  text: string;
  actions: ToastAction[];
  details?: string;
}

const toasts = createStore<Toast[]>([]);
let last = 0;

export function dismiss(id: number): void {
  toasts.set((all) => all.filter((toast) => toast.id !== id));
}

export function say(tone: Toast["tone"], text: string, actions: ToastAction[] = [], details?: string): void {
  const id = ++last;
  toasts.set((all) => [...all.filter((toast) => toast.text !== text), { id, tone, text, actions, ...(details && { details }) }].slice(-3));
  if (tone === "ok") setTimeout(() => dismiss(id), 5000);
}

export function sayError(error: unknown, actions: ToastAction[] = []): void {
  if (error instanceof ApiError) {
    if (error.problem.status === 401) return; // the sign-in page says it
    const { detail, title, suggestion } = error.problem;
    say("error", [detail || title, suggestion].filter(Boolean).join(" "), actions);
  } else say("error", error instanceof Error ? error.message : String(error), actions);
}

const shapes = { ok: "●", warn: "◐", error: "✕" };

export function ToastStack(): JSX.Element {
  const all = useStore(toasts);
  return (
    <div class="toasts">
      {all.map((toast) => (
        <div class={`toast ${toast.tone}`} key={toast.id} role={toast.tone === "error" ? "alert" : "status"}>
          <span class="toast-shape" aria-hidden="true">{shapes[toast.tone]}</span>
          <div class="toast-text">
            <p>
              <Captured text={toast.text} />
            </p>
            {toast.actions.length > 0 && (
              <p class="toast-actions">
                {toast.actions.map((action) => (
                  <Button kind="link" key={action.label} onClick={() => {
                    dismiss(toast.id);
                    action.run();
                  }}>
                    {action.label}
                  </Button>
                ))}
              </p>
            )}
          </div>
          <Button kind="ghost" icon="close" label="Dismiss" onClick={() => dismiss(toast.id)} />
        </div>
      ))}
    </div>
  );
}
