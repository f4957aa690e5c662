// Who one is here, what this hub runs with, how this browser shows it. What can be changed at the hub is changed with its flags for now.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get, session, signOut } from "../api/client";
import type { Settings } from "../api/types";
import { footerWords } from "../frame/Footer";
import { formatBytes } from "../format/quantity";
import { preferences, setPreference, type Preferences } from "../state/preferences";
import { useStore } from "../state/store";
import { Button } from "../ui/Button";

/** What is inside this dashboard and the program that serves it, with the licences they are used under. */
const licences: [string, string][] = [
  ["Preact", "MIT"], ["CodeMirror 6", "MIT"], ["TanStack Virtual", "MIT"], ["DuckDB", "MIT"], ["libmicrohttpd", "LGPL-2.1-or-later"], ["libcurl", "curl"], ["libpcap", "BSD-3-Clause"], ["Zstandard", "BSD-3-Clause"],
  ["LZ4", "BSD-2-Clause"], ["zlib", "Zlib"], ["Brotli", "MIT"], ["RE2", "BSD-3-Clause"], ["Jansson", "MIT"], ["libarchive", "BSD-2-Clause"], ["OpenSSL", "Apache-2.0"], ["libseccomp", "LGPL-2.1"], ["libcap", "BSD-3-Clause"], ["LibYAML", "MIT"],
];

function Row({ word, children }: { word: string; children: ComponentChildren }): JSX.Element {
  return (
    <div class="setting">
      <dt>{word}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Choice<K extends "theme" | "zone">({ name, label, choices }: { name: K; label: string; choices: [Preferences[K], string][] }): JSX.Element {
  const value = useStore(preferences, (p) => p[name]);
  return (
    <div class="segments" role="radiogroup" aria-label={label}>
      {choices.map(([choice, word]) => (
        <button type="button" key={word} role="radio" class="segment" aria-checked={value === choice} onClick={() => setPreference(name, choice)}>{word}</button>
      ))}
    </div>
  );
}

export function SettingsView(): JSX.Element {
  const who = useStore(session, (s) => (s.state === "in" ? s.who : null));
  const prefs = useStore(preferences);
  const [settings, setSettings] = useState<Settings | null>(null);
  const [error, setError] = useState("");
  useEffect(() => {
    footerWords.set([]);
    get<Settings>("settings").then(setSettings, (e: unknown) => setError((e as Error).message));
  }, []);
  return (
    <div class="settings" tabIndex={-1}>
      <section>
        <h2>Me</h2>
        <dl>
          <Row word="Name">{who?.name}</Row>
          <Row word="Role">{who?.role}</Row>
          <Row word="Rights"><span class="mono">{who?.capabilities.join(", ")}</span></Row>
          <Row word="Session">Signed in with the hub's token; the browser keeps a cookie that no script can read. <Button kind="link" onClick={() => void signOut()}>Sign out</Button></Row>
        </dl>
      </section>
      <section>
        <h2>This browser</h2>
        <dl>
          <Row word="Colours"><Choice name="theme" label="Colours" choices={[["system", "As the system"], ["light", "Light"], ["dark", "Dark"]]} /></Row>
          <Row word="Times"><Choice name="zone" label="Times" choices={[["utc", "UTC"], ["local", "Local"], ["relative", "Relative"]]} /></Row>
          <Row word="Rows"><label class="check-row"><input type="checkbox" checked={prefs.comfortable} onChange={() => setPreference("comfortable", !prefs.comfortable)} /> Comfortable rows (36 instead of 28 px)</label></Row>
          <Row word="Keys"><label class="check-row"><input type="checkbox" checked={prefs.singleKeys} onChange={() => setPreference("singleKeys", !prefs.singleKeys)} /> Single keys (the list is behind <kbd>?</kbd>)</label></Row>
        </dl>
      </section>
      <section>
        <h2>This hub</h2>
        {error && <p class="field-error" role="alert">{error}</p>}
        {settings && (
          <dl>
            <Row word="Version"><span class="mono">{settings.version}</span></Row>
            <Row word="Data folder"><span class="mono">{settings.data_dir}</span></Row>
            <Row word="Ring"><span>{formatBytes(settings.ring_budget_bytes)} per node</span> <span class="hint">--ring-size, after restart</span></Row>
            <Row word="Snapshots"><span>{settings.quota_bytes > 0 ? `${formatBytes(settings.quota_bytes)} at most` : "no limit but the disk"}</span></Row>
            <Row word="Access">By {settings.auth}. <span class="hint"><code>trawl token</code> prints it.</span></Row>
          </dl>
        )}
      </section>
      <section>
        <h2>Licences</h2>
        <p>Trawl is free software under the Apache License 2.0. It stands on:</p>
        <table class="licence-list">
          <thead><tr><th>Part</th><th>Licence</th></tr></thead>
          <tbody>{licences.map(([part, licence]) => <tr key={part}><td>{part}</td><td class="mono">{licence}</td></tr>)}</tbody>
        </table>
      </section>
    </div>
  );
}
