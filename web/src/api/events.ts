// One event stream per browser. The tab that holds the lock keeps the EventSource and passes every event on to the others; when it closes, the
// next tab takes over. Without the Locks API (plain http to another host) each visible tab holds its own.
import { createStore } from "../state/store";
import { loadSession, session } from "./client";
import type { Events } from "./types";

export type Connection = { state: "connecting" } | { state: "up" } | { state: "down"; since: number; retryAt: number };

export const connection = createStore<Connection>({ state: "connecting" });

type Handler = (name: keyof Events, data: unknown) => void;
type Message = { kind: "event"; name: keyof Events; data: unknown } | { kind: "connection"; value: Connection } | { kind: "hello" } | { kind: "retry" };

const names: (keyof Events)[] = ["nodes", "snapshot", "snapshot_deleted"];
const retrySteps = [1, 2, 4, 8, 15];

let channel: BroadcastChannel | null = null;
let source: EventSource | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
let failures = 0;
let leading = false;
let handler: Handler = () => undefined;
const lastEvents = new Map<keyof Events, unknown>();

function publish(value: Connection): void {
  connection.set(value);
  channel?.postMessage({ kind: "connection", value } satisfies Message);
}

function close(): void {
  clearTimeout(timer);
  source?.close();
  source = null;
}

function open(): void {
  close();
  const stream = new EventSource("/api/v1/events");
  source = stream;
  stream.onopen = () => {
    failures = 0;
    publish({ state: "up" });
  };
  stream.onerror = () => {
    if (source !== stream) return;
    close();
    const wait = retrySteps[Math.min(failures++, retrySteps.length - 1)] ?? 15;
    const before = connection.get();
    publish({ state: "down", since: before.state === "down" ? before.since : Date.now(), retryAt: Date.now() + wait * 1000 });
    timer = setTimeout(open, wait * 1000);
    if (session.get().state === "in") void loadSession(); // a stream cannot say 401, this can
  };
  for (const name of names)
    stream.addEventListener(name, (event) => {
      let data: unknown;
      try {
        data = JSON.parse((event as MessageEvent<string>).data);
      } catch {
        return; // a cut line: the next event brings the state again
      }
      lastEvents.set(name, data);
      handler(name, data);
      channel?.postMessage({ kind: "event", name, data } satisfies Message);
    });
}

function lead(): void {
  leading = true;
  open();
}

export function retryNow(): void {
  if (leading) open();
  else channel?.postMessage({ kind: "retry" } satisfies Message);
}

function receive(message: Message): void {
  if (message.kind === "hello" || message.kind === "retry") {
    if (!leading) return;
    if (message.kind === "retry") return open();
    channel?.postMessage({ kind: "connection", value: connection.get() } satisfies Message);
    const nodes = lastEvents.get("nodes");
    if (nodes) channel?.postMessage({ kind: "event", name: "nodes", data: nodes } satisfies Message);
  } else if (leading) return;
  else if (message.kind === "connection") connection.set(message.value);
  else handler(message.name, message.data);
}

/** Called once, when signed in; stops with stopEvents. */
export function startEvents(onEvent: Handler): void {
  handler = onEvent;
  if (leading) return open();
  if (channel) return;
  if (typeof BroadcastChannel === "undefined" || !("locks" in navigator)) {
    const follow = (): void => {
      if (document.visibilityState === "visible") lead();
      else close();
    };
    document.addEventListener("visibilitychange", follow);
    follow();
    return;
  }
  channel = new BroadcastChannel("trawl-events");
  channel.onmessage = (event: MessageEvent<Message>) => receive(event.data);
  channel.postMessage({ kind: "hello" } satisfies Message);
  void navigator.locks.request("trawl-events", () => {
    lead();
    return new Promise<void>(() => undefined); // held until the tab closes
  });
}

export function stopEvents(): void {
  close();
}
