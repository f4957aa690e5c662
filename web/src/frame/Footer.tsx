import type { JSX } from "preact";
import { zoneWord } from "../format/time";
import { nextZone, preferences } from "../state/preferences";
import { createStore, useStore } from "../state/store";

/** What the view on screen says about itself: shown of matched of total · range · lag. */
export const footerWords = createStore<string[]>([]);

export function Footer(): JSX.Element {
  const words = useStore(footerWords);
  const zone = useStore(preferences, (p) => p.zone);
  const label = zone === "utc" ? "UTC" : zone === "local" ? `local (${zoneWord("local")})` : "relative";
  return (
    <footer class="footer" data-region="footer">
      <span class="footer-words">{words.join(" · ")}</span>
      <button type="button" class="zone-switch" onClick={nextZone} data-tip="Times in UTC, local or relative (u)" aria-label={`Times: ${label}. Switch`}>
        {label}
      </button>
    </footer>
  );
}
