import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get } from "../api/client";
import type { PacketRow, PacketsResponse } from "../api/types";
import { formatBytes, formatLatency, plural } from "../format/quantity";
import { deltaMicros, formatBoth, formatTime } from "../format/time";
import { preferences } from "../state/preferences";
import { useStore } from "../state/store";
import { Captured } from "../ui/Captured";
import { HexView } from "./HexView";
import { fromHex } from "./bytes";
import { entryPath, useLoaded } from "./useEntry";

export function PacketsTab({ source, id }: { source: string; id: string }): JSX.Element {
  const zone = useStore(preferences, (p) => p.zone);
  const [chosen, setChosen] = useState(0);
  const packets = useLoaded(`${source} ${id} packets`, (signal) => get<PacketsResponse>(`${entryPath(source, id)}/packets`, {}, signal));
  if (packets.error) return <p class="field-error" role="alert">{packets.error}</p>;
  if (!packets.data) return <p class="hint">Reading the packets…</p>;
  const rows = packets.data.packets;
  const packet: PacketRow | undefined = rows[chosen];
  if (rows.length === 0) return <p class="hint">None of its packets are in the snapshot.</p>;
  const select = (index: number): void => {
    const next = Math.max(0, Math.min(rows.length - 1, index));
    setChosen(next);
    document.getElementById(`packet-${next}`)?.scrollIntoView({ block: "nearest" });
  };
  return (
    <div class="packets">
      <p class="hint">{plural(rows.length, "packet")}{packets.data.truncated ? ", the first of more: the PCAP of the connection has all" : ""}</p>
      <div class="packet-list" role="listbox" aria-label="Packets" tabIndex={0} aria-activedescendant={`packet-${chosen}`}
        onKeyDown={(event) => {
          const to = { ArrowDown: chosen + 1, ArrowUp: chosen - 1, Home: 0, End: rows.length - 1 }[event.key];
          if (to === undefined) return;
          event.preventDefault();
          event.stopPropagation();
          select(to);
        }}>
        {rows.map((row, i) => (
          <div key={row.no} id={`packet-${i}`} role="option" aria-selected={i === chosen} class={`packet ${i === chosen ? "selected" : ""}`} onClick={() => setChosen(i)}>
            <span class="right">{row.no}</span>
            <span data-tip={formatBoth(row.timestamp)}>{formatTime(row.timestamp, zone)}</span>
            <span class="right">{i === 0 ? "" : `+${formatLatency(Math.max(0, deltaMicros(rows[i - 1]?.timestamp ?? row.timestamp, row.timestamp)))}`}</span>
            <span class={row.direction}>{row.direction === "client" ? "C →" : "← S"}</span>
            <span class="ellipsis"><Captured text={row.info} /></span>
            <span class="ellipsis" data-tip={`${row.node} · ${row.interface}`}><Captured text={`${row.node}:${row.interface}`} /></span>
            <span class="right" data-tip={row.captured_bytes < row.original_bytes ? `${row.captured_bytes} of ${row.original_bytes} bytes were recorded` : undefined}>{formatBytes(row.original_bytes)}</span>
          </div>
        ))}
      </div>
      {packet && <HexView key={packet.no} bytes={fromHex(packet.hex)} label={`Packet ${packet.no} in hex`} />}
    </div>
  );
}
