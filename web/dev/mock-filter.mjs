// Enough of the filter for developing without a hub: clauses joined by && and ||, comparisons, contains, startsWith, bare flags.
import { fields } from "./mock-data.mjs";

const known = new Set(fields.map((f) => f.name));

function valueOf(entry, name) {
  return name.split(".").reduce((at, key) => (at == null ? undefined : at[key]), entry);
}

function clause(text) {
  const t = text.trim();
  let m = /^\((.*)\)$/s.exec(t);
  if (m) return parse(m[1]);
  m = /^!\s*(.*)$/s.exec(t);
  if (m) { const inner = clause(m[1]); return (e) => !inner(e); }
  m = /^([a-z_][a-z0-9_.]*?)\.(contains|startsWith)\("(.*)"\)$/.exec(t);
  if (m && known.has(m[1])) return (e) => { const v = String(valueOf(e, m[1]) ?? ""); return m[2] === "contains" ? v.includes(m[3]) : v.startsWith(m[3]); };
  m = /^([a-z_][a-z0-9_.]*)\s*(==|!=|>=|<=|>|<)\s*("(.*)"|-?\d+)$/s.exec(t);
  if (m && known.has(m[1])) {
    const right = m[4] !== undefined ? m[4] : Number(m[3]);
    return (e) => { const v = valueOf(e, m[1]) ?? (typeof right === "number" ? 0 : ""); return { "==": v === right, "!=": v !== right, ">=": v >= right, "<=": v <= right, ">": v > right, "<": v < right }[m[2]]; };
  }
  m = /^("(?:[^"\\]|\\.)*") in ([a-z_][a-z0-9_.]*)$/s.exec(t);
  if (m && known.has(m[2])) { const member = JSON.parse(m[1]); return (e) => (valueOf(e, m[2]) ?? []).includes(member); }
  m = /^([a-z_][a-z0-9_.]*)\["(.*)"\] == ("(?:[^"\\]|\\.)*")$/s.exec(t);
  if (m && known.has(m[1])) { const right = JSON.parse(m[3]); return (e) => (valueOf(e, m[1]) ?? {})[m[2]] === right; }
  if (known.has(t)) return (e) => e.protocol === t || e[t] === true;
  const name = /[a-zA-Z_][\w.]*/.exec(t)?.[0] ?? t;
  const error = new Error(/^[a-zA-Z_][\w.]*$/.test(name) && !known.has(name) ? `there is no field called ${name}` : "expected an operator");
  error.token = name;
  if (/code/.test(name)) error.suggestion = "did you mean status_code?";
  throw error;
}

export function topClauses(text, operator = "&&") {
  const out = [];
  let depth = 0, quoted = false, at = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '"' && text[i - 1] !== "\\") quoted = !quoted;
    else if (quoted) continue;
    else if ("([{".includes(c)) depth++;
    else if (")]}".includes(c)) depth--;
    else if (!depth && text.startsWith(operator, i)) { out.push(text.slice(at, i).trim()); at = i + operator.length; i++; }
  }
  out.push(text.slice(at).trim());
  return out.filter(Boolean);
}

function parse(text) {
  const ors = topClauses(text, "||");
  if (ors.length > 1) { const all = ors.map(parse); return (e) => all.some((f) => f(e)); }
  const ands = topClauses(text, "&&").map(clause);
  return (e) => ands.every((f) => f(e));
}

export function compile(text) {
  return text.trim() ? parse(text) : () => true;
}

export function check(text) {
  try {
    compile(text);
    const ors = topClauses(text, "||");
    return { ok: true, warnings: [], clauses: ors.length > 1 ? [text.trim()] : topClauses(text) };
  } catch (error) {
    return { ok: false, error: error.message, offset: Buffer.byteLength(text.slice(0, Math.max(0, text.indexOf(error.token)))), token: error.token, suggestion: error.suggestion, warnings: [], clauses: [] };
  }
}
