// The tabs of an entry in their order, and why one has nothing to show.
import type { Entry } from "../api/types";
import { sideOf } from "./fields";

export const tabIds = ["summary", "request", "response", "messages", "timing", "trace", "connection", "packets", "kubernetes", "process", "raw"] as const;
export type TabId = (typeof tabIds)[number];

export const tabWords: Record<TabId, string> = {
  summary: "Summary", request: "Request", response: "Response", messages: "Messages", timing: "Timing", trace: "Trace", connection: "Connection", packets: "Packets", kubernetes: "Kubernetes", process: "Process", raw: "Raw",
};

/** Fields that tell about a half of the call or its transport; the table is not needed to know whether there are any. */
function hasFields(entry: Entry, side: "request" | "response" | "transport"): boolean {
  return Object.entries(entry).some(([name, value]) => /^[a-z0-9]+_/.test(name) && !common.test(name) && typeof value !== "object" && sideOf(name) === side) || (side !== "transport" && Object.entries(entry).some(([name, value]) => Array.isArray(value) && !common.test(name) && sideOf(name) === side));
}

const common = /^(elapsed_time|time_to_response_us|conn_id|flow_id|status_reason|gap_bytes|seen_at|has_pcap|path_template|status_code|http_version|query_string|content_type|trace_id|request_id|capture_source|capture_backend)$/;

/** Protocols whose entries are single messages of a conversation. */
const conversations = new Set(["ws", "mqtt", "nats", "amqp", "stomp"]);

/** Numbers of the transport, for the tabs Timing and Connection. */
export function transportFields(entry: Entry): [string, unknown][] {
  return Object.entries(entry).filter(([name, value]) => sideOf(name) === "transport" && !common.test(name) && (typeof value !== "object" || Array.isArray(value)) && typeof value !== "boolean");
}

/** Empty when the tab has something to show, else the reason. */
export function tabReason(tab: TabId, entry: Entry): string {
  switch (tab) {
    case "request":
      if (entry.request?.headers || entry.request?.body !== undefined || hasFields(entry, "request") || entry.method) return "";
      return entry.protocol === "tlsx" ? "Seen encrypted only: no request text" : "This entry has no request";
    case "response":
      if (entry.status === "no_response") return "No response was seen";
      if (entry.response?.headers || entry.response?.body !== undefined || hasFields(entry, "response")) return "";
      return entry.protocol === "tlsx" ? "Seen encrypted only: no response text" : "This entry has no response";
    case "messages": return conversations.has(entry.protocol) ? "" : "One request, one response: there are no further messages";
    case "timing": return entry.elapsed_time === undefined && transportFields(entry).length === 0 ? "Without a response there is no time to show" : "";
    case "trace": return typeof entry["trace_id"] === "string" && entry["trace_id"] ? "" : "The call carries no trace id";
    case "kubernetes": return entry.src.pod || entry.dst.pod || entry.src.service || entry.dst.service ? "" : "No pod or service is known for either side";
    case "process": return entry.src.process || entry.dst.process ? "" : "The process of neither side is known";
    default: return "";
  }
}
