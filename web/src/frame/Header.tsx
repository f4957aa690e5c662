import type { JSX } from "preact";
import { session, signOut } from "../api/client";
import { snapshotsStore } from "../state/live";
import { preferences, setPreference } from "../state/preferences";
import { routeStore, viewLink, type View } from "../state/route";
import { useStore } from "../state/store";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { MenuButton } from "../ui/Menu";
import { CaptureChip } from "./CaptureChip";
import { SourceSelect } from "./SourceSelect";
import { run } from "./keys";

const tabs: { view: View; word: string }[] = [
  { view: "stream", word: "API Stream" },
  { view: "snapshots", word: "Snapshots" },
  { view: "nodes", word: "Nodes" },
  { view: "settings", word: "Settings" },
];

export function Header(): JSX.Element {
  const route = useStore(routeStore);
  const { list } = useStore(snapshotsStore);
  const theme = useStore(preferences, (p) => p.theme);
  const who = useStore(session, (s) => (s.state === "in" ? s.who : null));
  const running = (list ?? []).filter((s) => s.status === "Pending" || s.status === "In Progress" || s.dissections.some((d) => d.state === "running")).length;
  // The stream keeps its place when one comes back to it.
  const link = (view: View): string => (view === route.view ? `#${location.hash.slice(1)}` : viewLink(view));
  return (
    <header class="header" data-region="header">
      <a class="mark" href={viewLink("snapshots")} aria-label="Trawl">
        <Icon name="mark" />
        <span>Trawl</span>
      </a>
      <SourceSelect />
      <nav aria-label="Views">
        {tabs.map(({ view, word }) => (
          <a key={view} class="tab" href={link(view)} aria-current={route.view === view ? "page" : undefined}>
            {word}
            {view === "snapshots" && running > 0 && <span class="badge" data-tip={`${running} running`}>{running}</span>}
          </a>
        ))}
      </nav>
      <div class="header-right">
        <CaptureChip />
        <Button kind="ghost" icon="help" label="Keys" tip="Keys (?)" onClick={() => run("help")} />
        <MenuButton
          label={`${who?.name ?? "user"}: session and colours`} labelled alignRight
          items={[
            { label: "Light", checked: theme === "light", run: () => setPreference("theme", "light") },
            { label: "Dark", checked: theme === "dark", run: () => setPreference("theme", "dark") },
            { label: "As the system", checked: theme === "system", run: () => setPreference("theme", "system") },
            { label: "Every action", hint: "Ctrl+K", separated: true, run: () => run("palette") },
            { label: "Sign out", run: () => void signOut() },
          ]}
        >
          <Icon name="user" />
          <span class="user-name">{who?.name ?? "user"}</span>
        </MenuButton>
      </div>
    </header>
  );
}
