// Copying works on plain http to another host too, where the Clipboard API is missing.
import { say } from "./Toasts";

export async function copyText(text: string, what: string): Promise<void> {
  try {
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else copyBySelection(text);
    say("ok", `Copied ${what}.`);
  } catch {
    say("error", `The browser refused to copy ${what}. Allow the clipboard for this page, or select the text by hand.`);
  }
}

function copyBySelection(text: string): void {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "off-screen";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("copy");
}

/** Starts a download by the browser itself, so that its size never passes through this page. */
export function download(url: string): void {
  const link = document.createElement("a");
  link.href = url;
  link.download = "";
  document.body.append(link);
  link.click();
  link.remove();
}

/** As download, but a refusal is said in words: the answer's head is looked at first, and its body left unread. */
export async function checkedDownload(url: string): Promise<boolean> {
  const stop = new AbortController();
  try {
    const response = await fetch(url, { credentials: "same-origin", signal: stop.signal });
    if (!response.ok) {
      const problem = (await response.json().catch(() => ({}))) as { detail?: string; title?: string };
      say("error", problem.detail || problem.title || `The hub answered ${response.status} and gave no reason.`);
      return false;
    }
  } catch {
    say("error", "The hub does not answer, so nothing was downloaded. Check that it runs and try again.");
    return false;
  } finally {
    stop.abort();
  }
  download(url);
  return true;
}

export function saveText(text: string, name: string, type: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
