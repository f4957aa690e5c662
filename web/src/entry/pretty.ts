// Text made readable: only white space is added or changed, never a character of the text. Pure: tested in test/pretty.test.ts.

/** Longer text is shown as it is. */
export const mostPretty = 32 * 1024;

const endsInSpace = (text: string): boolean => /\s/.test(text.at(-1) ?? "");

/** Where a quoted text, name or comment that begins at `i` ends (the index behind it); `i` when none begins there. */
function quotedEnd(text: string, i: number): number {
  const c = text[i];
  if (c === "'" || c === '"' || c === "`") {
    for (let at = i + 1; at < text.length; at++) {
      if (text[at] === "\\" && c !== "`") at++;
      else if (text[at] === c) {
        if (text[at + 1] !== c) return at + 1;
        at++; // a doubled quote is one inside
      }
    }
    return text.length;
  }
  if (text.startsWith("--", i)) {
    const end = text.indexOf("\n", i);
    return end < 0 ? text.length : end;
  }
  if (text.startsWith("/*", i)) {
    const end = text.indexOf("*/", i + 2);
    return end < 0 ? text.length : end + 2;
  }
  if (c === "$") {
    const tag = /^\$[A-Za-z_]*\$/.exec(text.slice(i, i + 64))?.[0];
    const end = tag ? text.indexOf(tag, i + tag.length) : -1;
    return tag && end >= 0 ? end + tag.length : i;
  }
  return i;
}

const clauses = /^(?:select|from|where|group\s+by|order\s+by|having|limit|offset|union(?:\s+all)?|intersect|except|values|set|returning|on\s+conflict|on\s+duplicate\s+key\s+update|using\s+ttl|allow\s+filtering|(?:(?:natural|left|right|full|inner|cross)\s+)*(?:outer\s+)?join)\b/i;
const terms = /^(?:and|or|when|else)\b/i;

/** SQL and CQL with a line for each clause; what stands in brackets stays on its line. */
export function prettySql(sql: string): string {
  let out = "";
  let depth = 0;
  let between = false; // BETWEEN a AND b keeps its AND
  for (let i = 0; i < sql.length; ) {
    const end = quotedEnd(sql, i);
    if (end > i) {
      out += sql.slice(i, end);
      if (sql.startsWith("--", i) && end < sql.length) {
        out += "\n";
        i = end + 1;
        while (/\s/.test(sql[i] ?? "")) i++;
      } else i = end;
      continue;
    }
    const c = sql[i] ?? "";
    if (/\s/.test(c)) {
      if (out && !endsInSpace(out)) out += " ";
      i++;
      continue;
    }
    if (c === "(") depth++;
    if (c === ")") depth = Math.max(0, depth - 1);
    const startsWord = /[A-Za-z_]/.test(c) && !/[\w$."`\]]/.test(out.at(-1) ?? "");
    if (startsWord) {
      const word = /^\w+/.exec(sql.slice(i, i + 128))?.[0] ?? c;
      if (depth === 0) {
        const clause = clauses.exec(sql.slice(i, i + 64))?.[0];
        if (clause) {
          out = `${out.trimEnd()}${out.trim() ? "\n" : ""}${clause.replace(/\s+/g, " ")}`;
          i += clause.length;
          continue;
        }
        if (/^between$/i.test(word)) between = true;
        else if (terms.test(word) && /^\w+$/.test(word)) {
          if (between && /^and$/i.test(word)) between = false;
          else out = `${out.trimEnd()}\n  `;
        }
      }
      out += word;
      i += word.length;
      continue;
    }
    out += c;
    i++;
  }
  return out.trimEnd();
}

/** GraphQL with a line for each selection, indented by its braces. */
export function prettyGraphql(query: string): string {
  let out = "";
  let depth = 0;
  let round = 0;
  const line = (): void => {
    out = `${out.trimEnd()}${out.trim() ? "\n" : ""}${"  ".repeat(Math.min(depth, 64))}`;
  };
  for (let i = 0; i < query.length; ) {
    const c = query[i] ?? "";
    if (c === '"') {
      const block = query.startsWith('"""', i);
      let end = i + (block ? 3 : 1);
      while (end < query.length && !(block ? query.startsWith('"""', end) : query[end] === '"' || query[end] === "\n")) end += query[end] === "\\" ? 2 : 1;
      end = Math.min(query.length, end + (block ? 3 : 1));
      out += query.slice(i, end);
      i = end;
    } else if (c === "#") {
      const end = query.indexOf("\n", i);
      out += query.slice(i, end < 0 ? query.length : end);
      i = end < 0 ? query.length : end + 1;
      line();
    } else if (c === "{" && round === 0) {
      out = `${out.trimEnd()}${out.trim() ? " " : ""}{`;
      depth++;
      line();
      i++;
    } else if (c === "}" && round === 0) {
      depth = Math.max(0, depth - 1);
      line();
      out += "}";
      line();
      i++;
    } else if (/[\s,]/.test(c) && round === 0) {
      const run = /^[\s,]+/.exec(query.slice(i))?.[0] ?? c;
      const commas = run.replace(/\s/g, "");
      out += commas;
      i += run.length;
      // Between two selections comes a line; inside one (an alias, a directive, a type condition) a space.
      const next = query[i] ?? "";
      const inOne = /(?:[:@]|\.\.\.|\bon|\.\.\.\s*on|(?:query|mutation|subscription|fragment)|\b(?:query|mutation|subscription|fragment)\s+\w+)\s*$/.test(out.slice(-80)) || "@:({=)!|&".includes(next);
      if (depth > 0 && !inOne) line();
      else if (out && !endsInSpace(out)) out += " ";
    } else {
      if (c === "(") round++;
      if (c === ")") round = Math.max(0, round - 1);
      out += /\s/.test(c) ? (endsInSpace(out) ? "" : " ") : c;
      i++;
    }
  }
  return out.trim();
}

// ── protobuf without its schema: field numbers and what their bytes can be ──

const mostLines = 5000;
const deepest = 16;

interface Reader {
  bytes: Uint8Array;
  at: number;
  end: number;
}

function varint(r: Reader): bigint | null {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = r.at < r.end ? r.bytes[r.at++] : undefined;
    if (byte === undefined) return null;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return BigInt.asUintN(64, value);
  }
  return null;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function asText(bytes: Uint8Array): string | null {
  try {
    const text = utf8.decode(bytes);
    return /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.test(text) ? null : text;
  } catch {
    return null;
  }
}

const hexOf = (bytes: Uint8Array): string => [...bytes.subarray(0, 64)].map((b) => b.toString(16).padStart(2, "0")).join("") + (bytes.length > 64 ? `… ${bytes.length} bytes` : "");

/** The lines of one message, or null when the bytes are none. */
function message(r: Reader, depth: number, indent: string): string[] | null {
  const lines: string[] = [];
  while (r.at < r.end) {
    const key = varint(r);
    if (key === null || key >> 3n === 0n || key >> 3n > 536870911n || lines.length > mostLines) return null;
    const number = `${indent}${key >> 3n}`;
    switch (Number(key & 7n)) {
      case 0: {
        const value = varint(r);
        if (value === null) return null;
        const signed = BigInt.asIntN(64, value);
        lines.push(`${number}: ${value}${signed < 0n ? ` (${signed})` : ""}`);
        break;
      }
      case 1:
      case 5: {
        const size = (key & 7n) === 1n ? 8 : 4;
        if (r.at + size > r.end) return null;
        const view = new DataView(r.bytes.buffer, r.bytes.byteOffset + r.at, size);
        lines.push(size === 8 ? `${number}: 0x${view.getBigUint64(0, true).toString(16).padStart(16, "0")} (${view.getFloat64(0, true)})` : `${number}: 0x${view.getUint32(0, true).toString(16).padStart(8, "0")} (${view.getFloat32(0, true)})`);
        r.at += size;
        break;
      }
      case 2: {
        const length = varint(r);
        if (length === null || length > BigInt(r.end - r.at)) return null;
        const part = r.bytes.subarray(r.at, r.at + Number(length));
        r.at += part.length;
        const text = asText(part);
        const inner = text === null && depth < deepest ? message({ bytes: part, at: 0, end: part.length }, depth + 1, `${indent}  `) : null;
        if (text !== null) lines.push(`${number}: ${JSON.stringify(text)}`);
        else if (inner) lines.push(`${number} {`, ...inner, `${indent}}`);
        else lines.push(`${number}: ${hexOf(part)}`);
        break;
      }
      default: return null; // groups are no longer written by anybody
    }
  }
  return lines;
}

/** Protobuf by its wire format, or null when the bytes are none. With `framed`, gRPC's length-prefixed messages. */
export function wireView(bytes: Uint8Array, framed: boolean): string | null {
  if (!framed) return bytes.length === 0 ? null : message({ bytes, at: 0, end: bytes.length }, 0, "")?.join("\n") ?? null;
  const out: string[] = [];
  let at = 0;
  for (let n = 1; at + 5 <= bytes.length && n <= 1000; n++) {
    const length = new DataView(bytes.buffer, bytes.byteOffset + at + 1, 4).getUint32(0);
    const compressed = bytes[at] === 1;
    if ((bytes[at] ?? 2) > 1) return null;
    const part = bytes.subarray(at + 5, at + 5 + length);
    const cut = part.length < length ? `, ${part.length} kept` : "";
    const lines = compressed || cut ? null : message({ bytes: part, at: 0, end: part.length }, 1, "  ");
    out.push(`message ${n}: ${length} bytes${compressed ? ", compressed" : ""}${cut}`, ...(lines ?? (part.length > 0 ? [`  ${hexOf(part)}`] : [])));
    at += 5 + length;
  }
  return out.length > 0 ? out.join("\n") : null;
}
