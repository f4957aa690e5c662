import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Button } from "../ui/Button";
import { formatBytes } from "../format/quantity";
import { hexLines } from "./bytes";

const pageLines = 512;

export function HexView({ bytes, label }: { bytes: Uint8Array; label: string }): JSX.Element {
  const [lines, setLines] = useState(pageLines);
  const all = Math.ceil(bytes.length / 16);
  return (
    <div class="hex-view" role="region" aria-label={label} tabIndex={0}>
      <pre class="hex">
        {hexLines(bytes, 0, lines).map((line) => (
          <div key={line.offset}><span class="hex-offset">{line.offset}</span>  {line.hex}  <span class="hex-text">{line.text}</span></div>
        ))}
      </pre>
      {lines < all && <Button kind="link" onClick={() => setLines(lines + pageLines * 4)}>Showing {formatBytes(lines * 16)} of {formatBytes(bytes.length)} · Show more</Button>}
    </div>
  );
}
