// Working on a filter's text clause by clause. Cutting it up is for display and editing only: the hub's compiler decides what it means.
/** The terms of the top level between `operator`, quotes and brackets respected. */
export function topTerms(filter: string, operator: "&&" | "||" = "&&"): string[] {
  const terms: string[] = [];
  let depth = 0;
  let quote = "";
  let start = 0;
  for (let i = 0; i < filter.length; i++) {
    const c = filter[i] ?? "";
    if (quote) {
      if (c === "\\") i++;
      else if (c === quote) quote = "";
    } else if (c === '"' || c === "'") quote = c;
    else if ("([{".includes(c)) depth++;
    else if (")]}".includes(c)) depth--;
    else if (depth === 0 && filter.startsWith(operator, i)) {
      terms.push(filter.slice(start, i).trim());
      start = i + operator.length;
      i++;
    }
  }
  terms.push(filter.slice(start).trim());
  return terms.filter(Boolean);
}

/** Clauses as chips: a filter that is an `||` at its top is one clause. */
export function clausesOf(filter: string): string[] {
  if (!filter.trim()) return [];
  return topTerms(filter, "||").length > 1 || topTerms(filter, "||")[0]?.includes(" ? ") ? [filter.trim()] : topTerms(filter);
}

const wrapped = (clause: string): string => (topTerms(clause, "||").length > 1 || / \? /.test(clause) ? `(${clause})` : clause);

export function joinClauses(clauses: string[]): string {
  const [only] = clauses;
  return clauses.length === 1 && only !== undefined ? only : clauses.map(wrapped).join(" && ");
}

export function addClause(filter: string, clause: string): string {
  const clauses = clausesOf(filter);
  return clauses.includes(clause) ? filter : joinClauses([...clauses, clause]);
}

export function orClause(filter: string, clause: string): string {
  return filter.trim() ? `${clausesOf(filter).length > 1 ? `(${filter.trim()})` : filter.trim()} || ${wrapped(clause)}` : clause;
}

/** Whether the brackets of a text close each other without help from outside. */
function balanced(text: string): boolean {
  let depth = 0;
  let quote = "";
  for (let i = 0; i < text.length; i++) {
    const c = text[i] ?? "";
    if (quote) {
      if (c === "\\") i++;
      else if (c === quote) quote = "";
    } else if (c === '"' || c === "'") quote = c;
    else if (c === "(") depth++;
    else if (c === ")" && --depth < 0) return false;
  }
  return depth === 0;
}

export function negate(clause: string): string {
  const inner = /^!\((.*)\)$/s.exec(clause)?.[1];
  if (inner !== undefined && balanced(inner)) return inner;
  if (/^![a-z_][a-z0-9_.]*$/i.test(clause)) return clause.slice(1);
  if (/^[a-z_][a-z0-9_.]*$/i.test(clause)) return `!${clause}`;
  const comparison = /^([a-z_][a-z0-9_.]*) (==|!=) (.+)$/is.exec(clause);
  if (comparison && topTerms(clause).length === 1 && topTerms(clause, "||").length === 1) return `${comparison[1]} ${comparison[2] === "==" ? "!=" : "=="} ${comparison[3]}`;
  return `!(${clause})`;
}

/** A CEL string literal of any text. */
export function quote(text: string): string {
  let out = '"';
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    if (char === '"' || char === "\\") out += `\\${char}`;
    else if (char === "\n") out += "\\n";
    else if (char === "\r") out += "\\r";
    else if (char === "\t") out += "\\t";
    else if (code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) || code === 0xfeff) out += code > 0xffff ? `\\U${code.toString(16).padStart(8, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
    else out += char;
  }
  return `${out}"`;
}

/** Plain words or an address, typed where a filter belongs: the filter that searches for them, or null when it looks like a filter. */
export function searchEverywhere(text: string, fieldNames: ReadonlySet<string>): string | null {
  const words = text.trim();
  if (words.length < 2 || /[=!<>&|()[\]{}"'?]/.test(words) || fieldNames.has(words)) return null;
  if (/^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/.test(words)) return `cidr(${quote(words)}).containsIP(src.ip) || cidr(${quote(words)}).containsIP(dst.ip)`;
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(words) || /^[0-9a-f:]*:[0-9a-f:]+$/i.test(words)) return `src.ip == ${quote(words)} || dst.ip == ${quote(words)}`;
  return `summary.contains(${quote(words)}) || src.name.contains(${quote(words)}) || dst.name.contains(${quote(words)})`;
}

/** A byte offset of the hub's UTF-8 text as an index into a JavaScript string. */
export function indexOfByte(text: string, bytes: number): number {
  let seen = 0;
  let index = 0;
  for (const char of text) {
    if (seen >= bytes) break;
    const code = char.codePointAt(0) ?? 0;
    seen += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    index += char.length;
  }
  return index;
}
