import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { apiUrl } from "../api/client";
import type { EntriesResponse, Entry } from "../api/types";
import { addressOf, isCall } from "../format/entry";
import { Button } from "../ui/Button";
import { Captured } from "../ui/Captured";
import { checkedDownload, copyText } from "../ui/clipboard";
import { useAction } from "../frame/keys";
import { go } from "../state/route";
import { CallList } from "./CallList";
import { FollowStream } from "./FollowStream";
import { KeyValue } from "./KeyValues";
import { FieldList } from "./HalfTab";
import { transportFields } from "./tabs";
import { entryPath, type Loaded } from "./useEntry";

export function ConnectionTab({ entry, source, calls, follow }: { entry: Entry; source: string; calls: Loaded<EntriesResponse>; follow: boolean }): JSX.Element {
  const [following, setFollowing] = useState(follow);
  useAction("entry.follow", () => setFollowing(true));
  const seen = entry["seen_at"];
  const transport = entry["udp"] === true ? "UDP" : "TCP";
  return (
    <>
      <dl class="entry-section">
        <KeyValue name="Between">{addressOf(entry.src)} → {addressOf(entry.dst)} <span class="hint">{transport}{entry["tls"] === true ? ", TLS, decrypted" : entry.protocol === "tlsx" ? ", TLS, not decrypted" : ""}</span></KeyValue>
        <KeyValue name="Connection"><Captured text={entry.conn_id} /> <Button kind="link" onClick={() => go({ filter: `conn_id == "${entry.conn_id}"` })}>Only this</Button></KeyValue>
        {Array.isArray(seen) && <KeyValue name="Seen at"><Captured text={seen.map(String).join(", ")} /></KeyValue>}
        {!Array.isArray(seen) && entry.node && <KeyValue name="Seen at"><Captured text={entry.node.name} /></KeyValue>}
      </dl>
      <FieldList fields={transportFields(entry).filter(([name]) => !name.startsWith("tcp_"))} title="Totals of the connection" />
      <p class="entry-buttons">
        <Button pressed={following} tip="Both directions as they were (f)" onClick={() => setFollowing(!following)}>Follow</Button>
        <Button onClick={() => void checkedDownload(apiUrl(`${entryPath(source, entry.id)}/pcap`))}>PCAP of this connection</Button>
        <Button kind="ghost" icon="copy" label="Copy the command for Wireshark" onClick={() => void copyText(`trawl snapshot pcap ${source.split(/[:/]/)[0]} --filter 'conn_id == "${entry.conn_id}"' | wireshark -k -i -`, "the command")} />
      </p>
      {following && <FollowStream source={source} id={entry.id} />}
      <section class="entry-section">
        <h3>Calls of this connection {calls.data && calls.data.next_cursor === null && <span class="hint">{calls.data.entries.filter(isCall).length}</span>}</h3>
        <CallList calls={calls} entry={entry} label="Calls of this connection" />
      </section>
    </>
  );
}
