// The bar between table and entry: drag or arrows; the share is remembered.
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { preferences, setPreference } from "../state/preferences";
import { useStore } from "../state/store";

const wide = matchMedia("(min-width: 1440px)");

export function usePaneRight(): boolean {
  const [right, setRight] = useState(wide.matches);
  useEffect(() => {
    const change = (): void => setRight(wide.matches);
    wide.addEventListener("change", change);
    return () => wide.removeEventListener("change", change);
  }, []);
  return right;
}

const defaults = { right: 0.44, bottom: 0.5 };
const least = { right: 420, bottom: 160 };

export function PaneSplitter({ container, right }: { container: { current: HTMLDivElement | null }; right: boolean }): JSX.Element {
  const stored = useStore(preferences, (p) => p.paneShare);
  const share = stored || (right ? defaults.right : defaults.bottom);
  useLayoutEffect(() => {
    const box = container.current;
    if (!box) return;
    box.style.setProperty("--pane", right ? `max(${least.right}px, ${(share * 100).toFixed(2)}%)` : `max(${least.bottom}px, ${(share * 100).toFixed(2)}%)`);
  }, [share, right]);
  const set = (next: number): void => setPreference("paneShare", Math.min(0.75, Math.max(0.2, next)));
  return (
    <div class="splitter" role="separator" tabIndex={0} aria-label="Size of the entry" aria-orientation={right ? "vertical" : "horizontal"} aria-valuemin={20} aria-valuemax={75} aria-valuenow={Math.round(share * 100)}
      onDblClick={() => setPreference("paneShare", 0)}
      onKeyDown={(event) => {
        const step = { ArrowLeft: 0.03, ArrowUp: 0.03, ArrowRight: -0.03, ArrowDown: -0.03 }[event.key];
        if (step === undefined) return;
        event.preventDefault();
        set(share + step);
      }}
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={(event) => {
        const box = container.current?.getBoundingClientRect();
        if (!box || !event.currentTarget.hasPointerCapture(event.pointerId)) return;
        set(right ? (box.right - event.clientX) / box.width : (box.bottom - event.clientY) / box.height);
      }}
    />
  );
}
