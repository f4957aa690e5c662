// A body or a long text: pretty (JSON as a tree, SQL and GraphQL with their lines, protobuf by its wire format), text or hex. Never interpreted: no
// HTML, no styles, no images. What is shown is bounded; the rest comes page by page.
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { Body } from "../api/types";
import { formatBytes } from "../format/quantity";
import { Button } from "../ui/Button";
import { Captured } from "../ui/Captured";
import { Icon } from "../ui/Icon";
import { checkedDownload, copyText } from "../ui/clipboard";
import { HexView } from "./HexView";
import { JsonTree } from "./JsonTree";
import { bodyBytes, looksLikeJson } from "./bytes";
import type { Language } from "./fields";
import { parseJson, wireText } from "./json";
import { mostPretty, prettyGraphql, prettySql, wireView } from "./pretty";

interface Props {
  body: Body;
  /** "the body", "postgresql_query": for labels and toasts. */
  what?: string;
  contentType?: string;
  language?: Language;
  wireBytes?: number | undefined;
  truncated?: boolean;
  downloadUrl?: string;
}

type Pretty = { kind: "json"; value: unknown } | { kind: "text"; text: string };

/** The readable form, or the reason why there is none. */
function prettyOf(body: Body, contentType: string, language: Language): Pretty | string {
  if (typeof body !== "string") {
    const grpc = /^application\/grpc/i.test(contentType);
    const wire = grpc || /protobuf/i.test(contentType) ? wireView(bodyBytes(body), grpc) : null;
    return wire === null ? "The body is not text" : { kind: "text", text: wire };
  }
  if (body.length > prettyLimit) return "Pretty is for texts up to 1 MiB";
  if (looksLikeJson(body, contentType) || language === "json") {
    try {
      const value = parseJson(body);
      const wire = /grpc|protobuf/i.test(contentType) ? wireText(value) : null;
      return wire === null ? { kind: "json", value } : { kind: "text", text: wire };
    } catch {
      if (language === "json" || /json/i.test(contentType)) return "It says JSON but cannot be parsed";
    }
  }
  if (language !== "sql" && language !== "graphql") return "It is not JSON";
  if (body.length > mostPretty) return "Lines are set for texts up to 32 KiB";
  return { kind: "text", text: language === "sql" ? prettySql(body) : prettyGraphql(body) };
}

type Mode = "pretty" | "text" | "hex";

const prettyLimit = 1024 * 1024;
const textPage = 256 * 1024;
const mostHits = 1000;
const mostCopied = 1024 * 1024;

const bytesAsHex = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");

function Text({ text, wrap, find, label }: { text: string; wrap: boolean; find: string; label: string }): JSX.Element {
  const [shown, setShown] = useState(textPage);
  const part = text.slice(0, shown);
  const pieces = find ? part.split(find, mostHits) : [part];
  const marked = pieces.reduce((sum, piece) => sum + piece.length + find.length, -find.length);
  if (find && marked < part.length) pieces.push(part.slice(marked + find.length));
  return (
    <div class="body-text-box" role="region" aria-label={label} tabIndex={0}>
      <pre class={`body-text ${wrap ? "wrap" : ""}`}>
        {pieces.map((piece, i) => <span key={i}>{i > 0 && <mark>{find}</mark>}<Captured text={piece} multiline /></span>)}
      </pre>
      {shown < text.length && <Button kind="link" onClick={() => setShown(shown + textPage * 4)}>Show more</Button>}
    </div>
  );
}

export function BodyViewer({ body, what = "the body", contentType = "", language = "", wireBytes, truncated = false, downloadUrl }: Props): JSX.Element {
  const text = typeof body === "string" ? body : null;
  const pretty = useMemo(() => prettyOf(body, contentType, language), [body, contentType, language]);
  const [mode, setMode] = useState<Mode>(typeof pretty !== "string" ? "pretty" : text !== null ? "text" : "hex");
  const [wrap, setWrap] = useState(true);
  const [find, setFind] = useState("");
  const bytes = useMemo(() => bodyBytes(body), [body]);
  const why: Record<Mode, string> = { pretty: typeof pretty === "string" ? pretty : "", text: text === null ? "The body is not valid UTF-8 text" : "", hex: "" };
  const now: Mode = why[mode] ? "hex" : mode;
  const shownText = now === "text" ? text : now === "pretty" && typeof pretty !== "string" && pretty.kind === "text" ? pretty.text : null;
  const hits = find && shownText !== null ? shownText.split(find).length - 1 : null;
  const copied = shownText ?? text ?? bytesAsHex(bytes.subarray(0, mostCopied));
  return (
    <div class="body" data-what={what}>
      <div class="body-bar">
        <div class="segments" role="radiogroup" aria-label={`View of ${what}`}>
          {(["pretty", "text", "hex"] as const).map((m) => (
            <button type="button" key={m} role="radio" class="segment" aria-checked={now === m} aria-disabled={why[m] ? "true" : undefined} data-tip={why[m] || undefined} onClick={() => !why[m] && setMode(m)}>{m === "pretty" ? "Pretty" : m === "text" ? "Text" : "Hex"}</button>
          ))}
        </div>
        {shownText !== null && <Button kind="ghost" icon="wrap" label="Wrap lines" pressed={wrap} onClick={() => setWrap(!wrap)} />}
        {shownText !== null && shownText.length > 400 && <input class="input find" aria-label={`Find in ${what}`} placeholder="Find" value={find} onInput={(event) => setFind(event.currentTarget.value)} />}
        {hits !== null && <span class="hint" role="status">{hits === 0 ? "not found" : hits}</span>}
        <span class="grow" />
        <span class="hint">{formatBytes(bytes.length)}{wireBytes !== undefined && wireBytes !== bytes.length ? ` · ${formatBytes(wireBytes)} on the wire` : ""}</span>
        <Button kind="ghost" icon="copy" label={`Copy ${what}`} tip={text === null && shownText === null ? `Copy as hex${bytes.length > mostCopied ? `, the first ${formatBytes(mostCopied)}` : ""}` : "Copy"} onClick={() => void copyText(copied, what)} />
        {downloadUrl && <Button kind="ghost" icon="download" label={`Download ${what}`} tip="Download as it is, as an attachment" onClick={() => void checkedDownload(downloadUrl)} />}
      </div>
      {truncated && <p class="notice warn"><Icon name="cut" /><span>Showing {formatBytes(bytes.length)}{wireBytes !== undefined && wireBytes > bytes.length ? ` of ${formatBytes(wireBytes)}` : ""}: the rest was over the cap. The packets of the snapshot have it all.</span></p>}
      {now === "pretty" && typeof pretty !== "string" && pretty.kind === "json" && <JsonTree value={pretty.value} />}
      {shownText !== null && <Text text={shownText} wrap={wrap} find={find} label={what} />}
      {now === "hex" && <HexView bytes={bytes} label={`${what} in hex`} />}
    </div>
  );
}
