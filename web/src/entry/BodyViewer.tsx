// A body: pretty JSON, text or hex. Never interpreted: no HTML, no styles, no images made from it but inert previews of known types.
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

interface Props {
  body: Body;
  contentType: string;
  wireBytes: number | undefined;
  truncated: boolean;
  downloadUrl: string;
}

type Mode = "pretty" | "text" | "hex";

const prettyLimit = 1024 * 1024;
const textPage = 256 * 1024;

function Text({ text, wrap, find }: { text: string; wrap: boolean; find: string }): JSX.Element {
  const [shown, setShown] = useState(textPage);
  const part = text.slice(0, shown);
  const pieces = find ? part.split(find) : [part];
  return (
    <div class="body-text-box" role="region" aria-label="Body" tabIndex={0}>
      <pre class={`body-text ${wrap ? "wrap" : ""}`}>
        {pieces.map((piece, i) => <span key={i}>{i > 0 && <mark>{find}</mark>}<Captured text={piece} multiline /></span>)}
      </pre>
      {shown < text.length && <Button kind="link" onClick={() => setShown(shown + textPage * 4)}>Show more</Button>}
    </div>
  );
}

export function BodyViewer({ body, contentType, wireBytes, truncated, downloadUrl }: Props): JSX.Element {
  const text = typeof body === "string" ? body : null;
  const parsed = useMemo(() => {
    if (text === null || text.length > prettyLimit || !looksLikeJson(text, contentType)) return undefined;
    try {
      return JSON.parse(text) as unknown;
    } catch {
      return undefined; // said below: it claims to be JSON and is not
    }
  }, [text, contentType]);
  const [mode, setMode] = useState<Mode>(parsed !== undefined ? "pretty" : text !== null ? "text" : "hex");
  const [wrap, setWrap] = useState(true);
  const [find, setFind] = useState("");
  const bytes = useMemo(() => bodyBytes(body), [body]);
  const why: Record<Mode, string> = {
    pretty: parsed !== undefined ? "" : text === null ? "The body is not text" : text.length > prettyLimit ? "Pretty is for bodies up to 1 MiB" : /json/i.test(contentType) ? "It says JSON but cannot be parsed" : "The body is not JSON",
    text: text === null ? "The body is not valid UTF-8 text" : "",
    hex: "",
  };
  const now: Mode = why[mode] ? "hex" : mode;
  const hits = find && text !== null && now === "text" ? text.split(find).length - 1 : null;
  return (
    <div class="body">
      <div class="body-bar">
        <div class="segments" role="radiogroup" aria-label="View of the body">
          {(["pretty", "text", "hex"] as const).map((m) => (
            <button type="button" key={m} role="radio" class="segment" aria-checked={now === m} aria-disabled={why[m] ? "true" : undefined} data-tip={why[m] || undefined} onClick={() => !why[m] && setMode(m)}>{m === "pretty" ? "Pretty" : m === "text" ? "Text" : "Hex"}</button>
          ))}
        </div>
        {now === "text" && <Button kind="ghost" icon="wrap" label="Wrap lines" pressed={wrap} onClick={() => setWrap(!wrap)} />}
        {now === "text" && <input class="input find" aria-label="Find in the body" placeholder="Find" value={find} onInput={(event) => setFind(event.currentTarget.value)} />}
        {hits !== null && <span class="hint" role="status">{hits === 0 ? "not found" : hits}</span>}
        <span class="grow" />
        <span class="hint">{formatBytes(bytes.length)}{wireBytes !== undefined && wireBytes !== bytes.length ? ` · ${formatBytes(wireBytes)} on the wire` : ""}</span>
        <Button kind="ghost" icon="copy" label="Copy the body" {...(text === null && { disabled: "Only text can be copied: download it instead" })} onClick={() => text !== null && void copyText(text, "the body")} />
        <Button kind="ghost" icon="download" label="Download the body" tip="Download as it is, as an attachment" onClick={() => void checkedDownload(downloadUrl)} />
      </div>
      {truncated && <p class="notice warn"><Icon name="cut" /><span>Showing {formatBytes(bytes.length)}{wireBytes !== undefined ? ` of ${formatBytes(wireBytes)}` : ""}: the rest was over the cap. The packets of the snapshot have it all.</span></p>}
      {now === "pretty" && <JsonTree value={parsed} />}
      {now === "text" && text !== null && <Text text={text} wrap={wrap} find={find} />}
      {now === "hex" && <HexView bytes={bytes} label="Body in hex" />}
    </div>
  );
}
