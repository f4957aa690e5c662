// Bytes of packets and bodies as hex and text. Pure: tested in test/bytes.test.ts.
import type { Body, Entry } from "../api/types";

export function fromHex(hex: string): Uint8Array {
  const out = new Uint8Array(Math.floor(hex.length / 2));
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16);
  return out;
}

export function fromBase64(text: string): Uint8Array {
  const raw = atob(text);
  return Uint8Array.from(raw, (c) => c.charCodeAt(0));
}

export function bodyBytes(body: Body): Uint8Array {
  return typeof body === "string" ? new TextEncoder().encode(body) : fromBase64(body.base64);
}

export interface HexLine {
  offset: string;
  hex: string;
  text: string;
}

const perLine = 16;

export function hexLines(bytes: Uint8Array, first = 0, count = Number.POSITIVE_INFINITY): HexLine[] {
  const lines: HexLine[] = [];
  const end = Math.min(Math.ceil(bytes.length / perLine), first + count);
  for (let line = first; line < end; line++) {
    const part = bytes.subarray(line * perLine, (line + 1) * perLine);
    const pairs = [...part].map((b) => b.toString(16).padStart(2, "0"));
    lines.push({
      offset: (line * perLine).toString(16).padStart(8, "0"),
      hex: `${pairs.slice(0, 8).join(" ").padEnd(23)}  ${pairs.slice(8).join(" ").padEnd(23)}`,
      text: [...part].map((b) => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : ".")).join(""),
    });
  }
  return lines;
}

/** Whether the body claims to be, or looks like, JSON. */
export function looksLikeJson(text: string, contentType: string): boolean {
  if (/[/+]json\b/i.test(contentType)) return true;
  return /^\s*[{[]/.test(text) && /[}\]]\s*$/.test(text);
}

const shellQuote = (text: string): string => `'${text.replace(/'/g, "'\\''")}'`;

const leftOut = new Set(["host", "content-length", "connection", "transfer-encoding", "accept-encoding"]);

/** The request as a curl command. Redacted values stay marked as such: the command says what to fill in. */
export function asCurl(entry: Entry): string {
  const scheme = entry["tls"] === true ? "https" : "http";
  const authority = entry.host || (entry.dst.ip.includes(":") ? `[${entry.dst.ip}]:${entry.dst.port}` : `${entry.dst.ip}:${entry.dst.port}`);
  const url = entry.url && /^https?:\/\//.test(entry.url) ? entry.url : `${scheme}://${authority}${entry.path ?? "/"}`;
  const parts = ["curl", "-i"];
  if (entry.method && entry.method !== "GET") parts.push("-X", shellQuote(entry.method));
  for (const [name, value] of Object.entries(entry.request?.headers ?? {})) if (!leftOut.has(name.toLowerCase())) parts.push("-H", shellQuote(`${name}: ${value}`));
  const body = entry.request?.body;
  if (typeof body === "string" && body) parts.push("--data-raw", shellQuote(body));
  else if (body && typeof body !== "string") parts.push("--data-binary", "@body.bin");
  parts.push(shellQuote(url));
  return parts.join(" ");
}
