// The rows of the stream: pages of the newest (or slowest, largest) first, fetched as one scrolls. Old rows stay until the new ones are there.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError, get, post } from "../api/client";
import type { EntriesResponse, Entry, Problem } from "../api/types";

export interface EntryQuery {
  source: string;
  filter: string;
  from: string;
  to: string;
  order: string;
}

export interface EntryRows {
  rows: Entry[];
  total: number;
  lowerBound: boolean;
  of: number;
  warnings: string[];
  /** "first" while the rows shown are of an older question, "more" while a page is added. */
  loading: "" | "first" | "more";
  since: number;
  problem: Problem | null;
  complete: boolean;
  /** Counts the answers to a new question, so that a view can start at the top. */
  generation: number;
}

/** The first page is there at once; the following ones are larger, since somebody scrolls. */
const firstPage = 200;
const nextPage = 1000;
/** What a browser holds without losing its breath; beyond it the filter or the order helps more than scrolling. */
export const mostRows = 100_000;
const longestUrl = 2000;
const none: EntryRows = { rows: [], total: 0, lowerBound: false, of: 0, warnings: [], loading: "first", since: 0, problem: null, complete: false, generation: 0 };

const problemOf = (error: unknown): Problem => (error instanceof ApiError ? error.problem : { type: "", title: "", status: 0, detail: String(error) });

function ask(query: EntryQuery, cursor: string | null, signal: AbortSignal): Promise<EntriesResponse> {
  const members = { ...query, order: query.order || "-time", limit: cursor === null ? firstPage : nextPage, cursor: cursor ?? undefined };
  if (query.filter.length < longestUrl) return get<EntriesResponse>("entries", members, signal);
  return post<EntriesResponse>("entries/query", members, undefined, signal); // the hub drops a question whose asker has gone
}

export function useEntries(query: EntryQuery | null, refresh: number): EntryRows & { more: () => void; stop: () => void } {
  const [state, setState] = useState<EntryRows>(none);
  const cursor = useRef<string | null>(null);
  const running = useRef<AbortController | null>(null);
  const key = query ? JSON.stringify(query) : "";

  useEffect(() => {
    running.current?.abort();
    if (!query) {
      setState({ ...none, loading: "" });
      return;
    }
    const stop = new AbortController();
    running.current = stop;
    setState((before) => ({ ...before, loading: "first", since: Date.now() }));
    ask(query, null, stop.signal).then(
      (answer) => {
        if (stop.signal.aborted) return;
        running.current = null;
        cursor.current = answer.next_cursor;
        setState((before) => ({
          rows: answer.entries, total: answer.total, lowerBound: answer.total_is_lower_bound, of: answer.matched_of, warnings: answer.warnings, loading: "", since: 0, problem: null, complete: answer.next_cursor === null, generation: before.generation + 1,
        }));
      },
      (error: unknown) => {
        if (stop.signal.aborted) return;
        running.current = null;
        const problem = problemOf(error);
        // A wrong filter leaves the rows that are there; anything else has nothing to show.
        setState((before) => ({ ...(problem.status === 400 ? before : none), loading: "", since: 0, problem }));
      },
    );
    return () => stop.abort();
  }, [key, refresh]);

  const more = useCallback(() => {
    if (!query || running.current || cursor.current === null) return;
    const stop = new AbortController();
    running.current = stop;
    setState((before) => ({ ...before, loading: "more" }));
    ask(query, cursor.current, stop.signal).then(
      (answer) => {
        if (stop.signal.aborted) return;
        running.current = null;
        cursor.current = answer.next_cursor;
        setState((before) => {
          const rows = [...before.rows, ...answer.entries].slice(0, mostRows);
          return { ...before, rows, loading: "", complete: answer.next_cursor === null || rows.length >= mostRows };
        });
      },
      (error: unknown) => {
        if (stop.signal.aborted) return;
        running.current = null;
        setState((before) => ({ ...before, loading: "", problem: problemOf(error) })); // and no further page is asked for by itself
      },
    );
  }, [key]);

  const stop = useCallback(() => {
    running.current?.abort();
    running.current = null;
    setState((before) => ({ ...before, loading: "" }));
  }, []);

  return { ...state, more, stop };
}
