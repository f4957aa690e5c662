// JSON as it was written: a number that the browser would round stays the text it is. And protobuf's wire view, which comes as JSON. Pure.
import { fromBase64 } from "./bytes";

/** A number whose text says more than a double holds: 12345678901234567890, 1.0. */
export class ExactNumber {
  constructor(readonly source: string) {}
}

/** The number, or its text where the number would say something else. */
export function exact(value: number, source: string | undefined): number | ExactNumber {
  return source === undefined || String(value) === source ? value : new ExactNumber(source);
}

/** JSON.parse, but numbers that would change keep their text. Throws as JSON.parse does. */
export function parseJson(text: string): unknown {
  const revive = (_key: string, value: unknown, context?: { source?: string }): unknown =>
    typeof value === "number" ? exact(value, context?.source) : value;
  return JSON.parse(text, revive as (key: string, value: unknown) => unknown) as unknown;
}

interface WireField {
  field: number;
  type: string;
  value: unknown;
  double?: unknown;
  float?: unknown;
}

const isField = (x: unknown): x is WireField => typeof x === "object" && x !== null && typeof (x as WireField).field === "number" && typeof (x as WireField).type === "string" && "value" in x;
const isMessage = (x: unknown): x is WireField[] => Array.isArray(x) && x.every(isField);

const plain = (x: unknown): string => (x instanceof ExactNumber ? x.source : String(x));

function bytesWords(base64: unknown): string {
  try {
    const bytes = fromBase64(String(base64));
    const hex = Array.from(bytes.subarray(0, 64), (b) => b.toString(16).padStart(2, "0")).join("");
    return bytes.length > 64 ? `${hex}… ${bytes.length} bytes` : hex;
  } catch {
    return plain(base64);
  }
}

function lines(message: WireField[], indent: string): string[] {
  return message.flatMap((f) => {
    const head = `${indent}${f.field}`;
    if (f.type === "message" && isMessage(f.value)) return [`${head} {`, ...lines(f.value, `${indent}  `), `${indent}}`];
    if (f.type === "string") return [`${head}: ${JSON.stringify(f.value)}`];
    if (f.type === "bytes") return [`${head}: ${bytesWords(f.value)}`];
    const real = f.double ?? f.float;
    return [`${head}: ${plain(f.value)}${real === undefined ? "" : ` (${plain(real)})`}`];
  });
}

/** The dissector's view of protobuf messages as text, a line a field; null when it is something else. */
export function wireText(value: unknown): string | null {
  if (!Array.isArray(value) || value.length === 0 || !value.every(isMessage)) return null;
  return (value as WireField[][]).flatMap((message, i) => [`message ${i + 1}`, ...lines(message, "  ")]).join("\n");
}
