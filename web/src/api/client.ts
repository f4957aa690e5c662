// One door to the hub. Errors arrive as problem documents and leave as ApiError with a sentence; a 401 signs the dashboard out once for all.
import { createStore } from "../state/store";
import type { Problem, Whoami } from "./types";

export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail || problem.title);
  }
}

export type Session = { state: "unknown" } | { state: "in"; who: Whoami } | { state: "out"; ended: boolean; error?: string };

export const session = createStore<Session>({ state: "unknown" });

type Query = Record<string, string | number | boolean | undefined | null>;

export function apiUrl(path: string, query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined && value !== null && value !== "") params.set(key, String(value));
  const text = params.toString();
  return `/api/v1/${path}${text ? `?${text}` : ""}`;
}

export function segment(id: string): string {
  return encodeURIComponent(id);
}

interface RequestOptions {
  query?: Query;
  body?: unknown;
  signal?: AbortSignal;
}

async function problemOf(response: Response): Promise<Problem> {
  try {
    const problem = (await response.json()) as Partial<Problem>;
    if (typeof problem.title === "string" || typeof problem.detail === "string")
      return { type: "", title: "", detail: "", ...problem, status: response.status };
  } catch {
    // not JSON: the status line has to do
  }
  return { type: "", title: `The hub answered ${response.status}.`, status: response.status, detail: `The hub answered ${response.status} to this request and gave no reason. Its log has more.` };
}

export function unreachable(): ApiError {
  return new ApiError({ type: "unreachable", title: "The hub cannot be reached", status: 0, detail: "The hub does not answer. Recording goes on at the nodes. Check that it runs and try again." });
}

// Texts that views show in a line come as {"base64"} when the peer's bytes are no UTF-8; a line shows U+FFFD in their place.
const lineKeys = new Set(["summary", "method", "path", "path_template", "url", "host", "content_type", "http_version"]);

export function parseAnswer(text: string): unknown {
  if (!text.includes('"base64"')) return JSON.parse(text);
  return JSON.parse(text, (key, value: unknown) => {
    if (!lineKeys.has(key) || typeof value !== "object" || value === null || !("base64" in value)) return value;
    return new TextDecoder().decode(Uint8Array.from(atob(String(value.base64)), (c) => c.charCodeAt(0)));
  });
}

export async function request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
  const init: RequestInit = { method, credentials: "same-origin", headers: { Accept: "application/json" } };
  if (options.signal) init.signal = options.signal;
  if (options.body instanceof Blob) init.body = options.body;
  else if (options.body !== undefined) {
    init.body = JSON.stringify(options.body);
    init.headers = { ...init.headers, "Content-Type": "application/json" };
  }
  let response: Response;
  try {
    response = await fetch(apiUrl(path, options.query), init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw unreachable();
  }
  if (response.status === 401) session.set((now) => (now.state === "out" ? now : { state: "out", ended: now.state === "in" }));
  if (!response.ok) throw new ApiError(await problemOf(response));
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  return (text ? parseAnswer(text) : undefined) as T;
}

export const get = <T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> => request<T>("GET", path, { ...(query && { query }), ...(signal && { signal }) });
export const post = <T>(path: string, body?: unknown, query?: Query, signal?: AbortSignal): Promise<T> => request<T>("POST", path, { ...(query && { query }), ...(body !== undefined && { body }), ...(signal && { signal }) });

/** Token → session cookie. Answers a sentence when it is refused. */
export async function signIn(token: string): Promise<string | null> {
  try {
    const response = await fetch("/session", { method: "POST", credentials: "same-origin", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ token }) });
    if (!response.ok) {
      if (response.status === 401 || response.status === 403) return "This token is not valid here. `trawl token show` prints the one that is.";
      return (await problemOf(response)).detail;
    }
  } catch {
    return unreachable().message;
  }
  await loadSession();
  return null;
}

export async function signOut(): Promise<void> {
  await fetch("/session", { method: "DELETE", credentials: "same-origin" }).catch(() => undefined);
  session.set({ state: "out", ended: false });
}

export async function loadSession(): Promise<void> {
  try {
    session.set({ state: "in", who: await get<Whoami>("whoami") });
  } catch (error) {
    // A hub that does not answer has not ended the session: only a 401 does, and `request` has said so.
    const { state } = session.get();
    if (state !== "in" && error instanceof ApiError && error.problem.status !== 401) session.set({ state: "out", ended: false, error: error.message });
  }
}

/** `/#token=…` of the first start: the token leaves the address bar before anything is sent. */
export async function exchangeLinkToken(): Promise<void> {
  const match = /^#token=([^&]+)(?:&(.*))?$/.exec(location.hash);
  if (!match?.[1]) return loadSession();
  history.replaceState(null, "", `${location.pathname}#/${match[2] ?? ""}`);
  const error = await signIn(decodeURIComponent(match[1]));
  if (error !== null || session.get().state === "unknown") session.set({ state: "out", ended: false, ...(error && { error }) });
}
