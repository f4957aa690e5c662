// Both directions of a connection in order: C the client, S the server; gaps stand where they were.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get } from "../api/client";
import type { StreamResponse } from "../api/types";
import { formatExactCount } from "../format/quantity";
import { formatBoth } from "../format/time";
import { Captured } from "../ui/Captured";
import { fromBase64, hexLines } from "./bytes";
import { entryPath, useLoaded } from "./useEntry";

const decoder = new TextDecoder("utf-8", { fatal: false });
const mostBytes = 256 * 1024;

export function FollowStream({ source, id }: { source: string; id: string }): JSX.Element {
  const [hex, setHex] = useState(false);
  const stream = useLoaded(`${source} ${id} stream`, (signal) => get<StreamResponse>(`${entryPath(source, id)}/stream`, {}, signal));
  if (stream.error) return <p class="field-error" role="alert">{stream.error} The PCAP of this connection has both directions.</p>;
  if (!stream.data) return <p class="hint">Reading the packets…</p>;
  let left = mostBytes;
  return (
    <section class="entry-section follow" aria-label="Both directions of the connection">
      <div class="segments" role="radiogroup" aria-label="View of the stream">
        <button type="button" role="radio" class="segment" aria-checked={!hex} onClick={() => setHex(false)}>Text</button>
        <button type="button" role="radio" class="segment" aria-checked={hex} onClick={() => setHex(true)}>Hex</button>
      </div>
      <div class="follow-box" role="region" tabIndex={0} aria-label="Stream">
        {stream.data.chunks.map((chunk, i) => {
          if (left <= 0) return null;
          const bytes = fromBase64(chunk.base64).subarray(0, left);
          left -= bytes.length;
          return (
            <div key={i} class={`follow-chunk ${chunk.direction}`} data-tip={formatBoth(chunk.timestamp)}>
              <span class="follow-side" aria-label={chunk.direction}>{chunk.direction === "client" ? "C" : "S"}</span>
              <pre>{hex ? hexLines(bytes).map((line) => <div key={line.offset}>{line.offset}  {line.hex}  {line.text}</div>) : <Captured text={decoder.decode(bytes)} multiline />}</pre>
              {(chunk.gap_bytes ?? 0) > 0 && <p class="follow-gap">{formatExactCount(chunk.gap_bytes ?? 0)} bytes were not recorded here</p>}
            </div>
          );
        })}
        {stream.data.chunks.length === 0 && <p class="hint">The connection carried no payload.</p>}
      </div>
      {(stream.data.truncated || left <= 0) && <p class="hint">Shown in part. The PCAP of this connection has all of it.</p>}
    </section>
  );
}
