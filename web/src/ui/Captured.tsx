// Text that came from the wire or from another person: text nodes only, hidden characters as boxed codes.
import type { JSX } from "preact";
import { plainCaptured, splitCaptured } from "../format/captured";

export function Captured({ text, multiline = false }: { text: string; multiline?: boolean }): JSX.Element {
  const pieces = splitCaptured(text, multiline);
  return <>{pieces.map((piece, i) => (piece.code ? <span class="codepoint" key={i}>{piece.text}</span> : piece.text))}</>;
}

/** One line whose middle gives way, never its end. The whole stands in the tooltip. */
export function CutMiddle({ text, tail = 12, tip }: { text: string; tail?: number; tip?: string }): JSX.Element {
  const cut = Math.max(0, text.length - tail);
  // Never between the halves of one character.
  const at = cut > 0 && /[\udc00-\udfff]/.test(text[cut] ?? "") ? cut - 1 : cut;
  return (
    <span class="cut" data-tip={tip ?? plainCaptured(text)}>
      <span class="cut-head"><Captured text={text.slice(0, at)} /></span>
      <span class="cut-tail"><Captured text={text.slice(at)} /></span>
    </span>
  );
}
