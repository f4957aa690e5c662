// The tabs of an entry in their order, and why one has nothing to show.
import type { Entry } from "../api/types";

export const tabIds = ["summary", "request", "response", "messages", "timing", "trace", "connection", "packets", "kubernetes", "process", "raw"] as const;
export type TabId = (typeof tabIds)[number];

export const tabWords: Record<TabId, string> = {
  summary: "Summary", request: "Request", response: "Response", messages: "Messages", timing: "Timing", trace: "Trace", connection: "Connection", packets: "Packets", kubernetes: "Kubernetes", process: "Process", raw: "Raw",
};

const common = new Set([
  "id", "index", "protocol", "timestamp", "elapsed_time", "latency", "time_to_response_us", "src", "dst", "node", "conn_id", "flow_id", "stream", "summary", "status", "status_reason", "incomplete", "truncated", "gap_bytes", "seen_at", "has_pcap",
  "method", "path", "path_template", "url", "host", "status_code", "http_version", "query_string", "content_type", "trace_id", "request_id", "request", "response", "tls", "tcp", "udp", "capture_source", "http",
]);

/** The protocol's own fields, cut into what was asked and what came back. */
export function protocolFields(entry: Entry): { asked: [string, unknown][]; answered: [string, unknown][]; transport: [string, unknown][] } {
  const asked: [string, unknown][] = [];
  const answered: [string, unknown][] = [];
  const transport: [string, unknown][] = [];
  for (const [name, value] of Object.entries(entry)) {
    if (common.has(name) || value === true || (typeof value === "object" && value !== null && !Array.isArray(value))) continue;
    if (/^(tcp|udp|sctp|conn|flow)_/.test(name)) transport.push([name, value]);
    else if (/_(questions?|question_types|command|key|query|database|user|params|sni|alpn|cipher_suites|client_id|topics|method|service|request\w*|group_id|api_\w+|db)$/.test(name)) asked.push([name, value]);
    else answered.push([name, value]);
  }
  return { asked, answered, transport };
}

/** Empty when the tab has something to show, else the reason. */
export function tabReason(tab: TabId, entry: Entry): string {
  const fields = protocolFields(entry);
  switch (tab) {
    case "request":
      if (entry.request?.headers || entry.request?.body !== undefined || fields.asked.length > 0 || entry.method) return "";
      return entry.protocol === "tlsx" ? "Seen encrypted only: no request text" : "This entry has no request";
    case "response":
      if (entry.status === "no_response") return "No response was seen";
      if (entry.response?.headers || entry.response?.body !== undefined || fields.answered.length > 0) return "";
      return entry.protocol === "tlsx" ? "Seen encrypted only: no response text" : "This entry has no response";
    case "messages": return "One request, one response: there are no further messages";
    case "timing": return entry.elapsed_time === undefined && fields.transport.length === 0 ? "Without a response there is no time to show" : "";
    case "trace": return typeof entry["trace_id"] === "string" && entry["trace_id"] ? "" : "The call carries no trace id";
    case "kubernetes": return entry.src.pod || entry.dst.pod || entry.src.service || entry.dst.service ? "" : "No pod or service is known for either side";
    case "process": return entry.src.process || entry.dst.process ? "" : "The process of neither side is known";
    default: return "";
  }
}
