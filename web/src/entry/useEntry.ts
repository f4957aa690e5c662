// One whole entry, and the list of calls it stands in: fetched when asked for, forgotten with the pane.
import { useEffect, useState } from "preact/hooks";
import { get, segment } from "../api/client";
import type { EntriesResponse, Entry } from "../api/types";

export interface Loaded<T> {
  data: T | null;
  error: string;
}

export function useLoaded<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [state, setState] = useState<Loaded<T> & { key: string }>({ data: null, error: "", key: "" });
  useEffect(() => {
    if (!key) return;
    const stop = new AbortController();
    load(stop.signal).then(
      (data) => setState({ data, error: "", key }),
      (error: unknown) => {
        if (!stop.signal.aborted) setState({ data: null, error: (error as Error).message, key });
      },
    );
    return () => stop.abort();
  }, [key]);
  return state.key === key ? state : { data: null, error: "" };
}

export const entryPath = (source: string, id: string): string => `entries/${segment(source)}/${segment(id)}`;

export function useEntry(source: string, id: string): Loaded<Entry> {
  return useLoaded(`${source} ${id}`, (signal) => get<Entry>(entryPath(source, id), {}, signal));
}

const mostCalls = 200;

export function useCalls(source: string, filter: string): Loaded<EntriesResponse> {
  return useLoaded(filter ? `${source} ${filter}` : "", (signal) => get<EntriesResponse>("entries", { source, filter, order: "+time", limit: mostCalls }, signal));
}
