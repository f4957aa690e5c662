// A view that is fetched when it is first shown. Nothing stands in its place for the blink that takes; a failed fetch says so.
import type { ComponentType, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

export function lazy(load: () => Promise<ComponentType>): ComponentType {
  let loaded: ComponentType | null = null;
  return function Lazy(): JSX.Element | null {
    const [View, setView] = useState<{ view: ComponentType | null; failed: boolean }>({ view: loaded, failed: false });
    useEffect(() => {
      if (loaded) return;
      load().then(
        (view) => {
          loaded = view;
          setView({ view, failed: false });
        },
        () => setView({ view: null, failed: true }),
      );
    }, []);
    if (View.failed) return <div class="empty"><p>This part of the dashboard could not be loaded from the hub. Reload the page.</p></div>;
    return View.view ? <View.view /> : null;
  };
}

