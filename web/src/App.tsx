// The frame: header, banner, view, footer; what is true of every view (keys, toasts, tooltip, sign-in).
import type { JSX } from "preact";
import { lazy } from "./ui/lazy";
import { useEffect, useState } from "preact/hooks";
import { session } from "./api/client";
import { Banner } from "./frame/Banner";
import { Footer } from "./frame/Footer";
import { Header } from "./frame/Header";
import { KeyHelp } from "./frame/KeyHelp";
import { Palette } from "./frame/Palette";
import { SignIn } from "./frame/SignIn";
import { useAction } from "./frame/keys";
import { startLive } from "./state/live";
import { nextZone, preferences, setPreference } from "./state/preferences";
import { go, routeStore, type View } from "./state/route";
import { useStore } from "./state/store";
import { SnapshotsView } from "./snapshots/SnapshotsView";
import { ErrorBoundary } from "./ui/ErrorBoundary";
import { IconSprite } from "./ui/Icon";
import { ToastStack } from "./ui/Toasts";
import { TooltipLayer } from "./ui/Tooltip";
import { copyText } from "./ui/clipboard";

const StreamView = lazy(() => import("./stream/StreamView").then((m) => m.StreamView));
const NodesView = lazy(() => import("./nodes/NodesView").then((m) => m.NodesView));
const SettingsView = lazy(() => import("./settings/SettingsView").then((m) => m.SettingsView));

const titles: Record<View, string> = { stream: "API Stream", snapshots: "Snapshots", nodes: "Nodes", settings: "Settings" };

function nextRegion(): void {
  const regions = [...document.querySelectorAll<HTMLElement>("[data-region]")];
  const at = regions.findIndex((region) => region.contains(document.activeElement));
  for (let step = 1; step <= regions.length; step++) {
    const region = regions[(at + step) % regions.length];
    const target = region?.querySelector<HTMLElement>("[data-region-focus], [tabindex='0'], button, a[href], input");
    if (!target) continue;
    target.focus();
    return;
  }
}

function GlobalActions({ open }: { open: (what: "help" | "palette") => void }): null {
  useAction("go.stream", () => go({ view: "stream" }));
  useAction("go.snapshots", () => go({ view: "snapshots" }));
  useAction("go.nodes", () => go({ view: "nodes" }));
  useAction("go.settings", () => go({ view: "settings" }));
  useAction("region.next", nextRegion);
  useAction("zone.next", nextZone);
  useAction("link.copy", () => void copyText(location.href, "a link to this place"));
  useAction("theme.light", () => setPreference("theme", "light"));
  useAction("theme.dark", () => setPreference("theme", "dark"));
  useAction("theme.system", () => setPreference("theme", "system"));
  useAction("keys.single", () => setPreference("singleKeys", !preferences.get().singleKeys));
  useAction("rows.height", () => setPreference("comfortable", !preferences.get().comfortable));
  useAction("help", () => open("help"));
  useAction("palette", () => open("palette"));
  return null;
}

function Dashboard(): JSX.Element {
  const view = useStore(routeStore, (r) => r.view);
  const [overlay, setOverlay] = useState<"help" | "palette" | null>(null);
  useEffect(startLive, []);
  useEffect(() => {
    document.title = `${titles[view]} · Trawl`;
  }, [view]);
  return (
    <div class="frame">
      <GlobalActions open={setOverlay} />
      <Header />
      <Banner />
      <main aria-label={titles[view]}>
        <ErrorBoundary of={view}>
          {view === "snapshots" && <SnapshotsView />}
          {view === "stream" && <StreamView />}
          {view === "nodes" && <NodesView />}
          {view === "settings" && <SettingsView />}
        </ErrorBoundary>
      </main>
      <Footer />
      {overlay === "help" && <KeyHelp onClose={() => setOverlay(null)} />}
      {overlay === "palette" && <Palette onClose={() => setOverlay(null)} />}
    </div>
  );
}

export function App(): JSX.Element | null {
  const state = useStore(session);
  return (
    <>
      <IconSprite />
      {state.state === "in" ? <Dashboard /> : state.state === "out" ? <SignIn ended={state.ended} linkError={state.error ?? ""} /> : null}
      <ToastStack />
      <TooltipLayer />
    </>
  );
}
