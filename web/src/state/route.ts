// All that a link should bring back lives after the `#`: view, source, filter, time range, order, entry, tab.
import { createStore } from "./store";

export const views = ["stream", "snapshots", "nodes", "settings"] as const;
export type View = (typeof views)[number];

export interface Route {
  view: View;
  source: string;
  filter: string;
  from: string;
  to: string;
  order: string;
  entry: string;
  tab: string;
  /** A snapshot whose drawer is open. */
  open: string;
}

const empty: Route = { view: "snapshots", source: "", filter: "", from: "", to: "", order: "", entry: "", tab: "", open: "" };
const members = ["source", "filter", "from", "to", "order", "entry", "tab", "open"] as const;

export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const params = new URLSearchParams(query);
  const route: Route = { ...empty, view: (views as readonly string[]).includes(path) ? (path as View) : "snapshots" };
  for (const member of members) route[member] = params.get(member) ?? "";
  return route;
}

export function formatRoute(route: Route): string {
  const params = new URLSearchParams();
  for (const member of members) if (route[member]) params.set(member, route[member]);
  const query = params.toString();
  return `#/${route.view}${query ? `?${query}` : ""}`;
}

export const routeStore = createStore<Route>(empty);

/** A new view, source, filter or entry is a step back/forward can undo; `replace` is for what follows the pointer. */
export function go(patch: Partial<Route>, replace = false): void {
  const next = { ...routeStore.get(), ...patch };
  const hash = formatRoute(next);
  if (hash === formatRoute(routeStore.get())) return;
  history[replace ? "replaceState" : "pushState"](null, "", hash);
  routeStore.set(next);
}

export function startRoute(): void {
  const read = (): void => routeStore.set(parseRoute(location.hash));
  addEventListener("popstate", read);
  addEventListener("hashchange", read);
  read();
}

export function viewLink(view: View): string {
  return formatRoute({ ...empty, view });
}
