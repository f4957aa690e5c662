// Captured text is somebody else's: control, bidirectional and zero-width characters never reach the screen as themselves.

export type Piece = { text: string; code: boolean };

// C0 and C1 controls, soft hyphen, Arabic letter mark, zero-width and directional marks, embeddings, isolates, invisible operators, BOM, tags.
const hidden = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|[\ud800-\udfff]/gu;

export function codeName(char: string): string {
  return `U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
}

/** Cuts text into what may be shown and the codes of what may not; with `multiline` line feeds and tabs stay. */
export function splitCaptured(text: string, multiline = false): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(hidden)) {
    const char = match[0];
    if (multiline && (char === "\n" || char === "\t" || (char === "\r" && text[match.index + 1] === "\n"))) continue;
    if (match.index > from) pieces.push({ text: text.slice(from, match.index), code: false });
    pieces.push({ text: codeName(char), code: true });
    from = match.index + char.length;
  }
  if (from < text.length || pieces.length === 0) pieces.push({ text: text.slice(from), code: false });
  return pieces;
}

/** The same in one string, for tooltips and labels. */
export function plainCaptured(text: string): string {
  return splitCaptured(text)
    .map((piece) => (piece.code ? `[${piece.text}]` : piece.text))
    .join("");
}
