// One tooltip for the page: any element with `data-tip` shows it on hover and on keyboard focus. Text only.
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { plainCaptured } from "../format/captured";

const delayMs = 400;

export function TooltipLayer(): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const tip = box.current;
    if (!tip) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let owner: Element | null = null;

    const hide = (): void => {
      clearTimeout(timer);
      owner = null;
      if (tip.matches(":popover-open")) tip.hidePopover();
    };
    const show = (target: HTMLElement): void => {
      const text = target.dataset["tip"];
      if (!text || !target.isConnected) return;
      tip.textContent = text.split("\n").map(plainCaptured).join("\n"); // names of nodes and files are somebody else's too
      tip.showPopover();
      const at = target.getBoundingClientRect();
      const own = tip.getBoundingClientRect();
      const below = at.bottom + 6 + own.height < innerHeight;
      tip.style.left = `${Math.max(8, Math.min(at.left + at.width / 2 - own.width / 2, innerWidth - own.width - 8))}px`;
      tip.style.top = `${below ? at.bottom + 6 : Math.max(4, at.top - own.height - 6)}px`;
    };
    const enter = (event: Event): void => {
      const target = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-tip]") : null;
      if (target === owner) return;
      hide();
      owner = target;
      if (!target) return;
      if (event.type === "focusin" && !target.matches(":focus-visible")) return;
      timer = setTimeout(() => show(target), event.type === "focusin" ? 0 : delayMs);
    };
    const key = (event: KeyboardEvent): void => {
      if (event.key === "Escape") hide();
    };
    document.addEventListener("pointerover", enter);
    document.addEventListener("focusin", enter);
    document.addEventListener("pointerdown", hide);
    document.addEventListener("scroll", hide, true);
    document.addEventListener("keydown", key);
    return () => {
      document.removeEventListener("pointerover", enter);
      document.removeEventListener("focusin", enter);
      document.removeEventListener("pointerdown", hide);
      document.removeEventListener("scroll", hide, true);
      document.removeEventListener("keydown", key);
    };
  }, []);
  return <div ref={box} class="tooltip" popover="manual" role="tooltip" />;
}
