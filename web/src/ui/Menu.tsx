// A button with a menu in a native popover: arrows move, Enter chooses, Escape closes, the focus comes back.
import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Button } from "./Button";
import { Icon, type IconName } from "./Icon";

export interface MenuItem {
  label: string;
  hint?: string;
  icon?: IconName;
  danger?: boolean;
  /** The reason, when it cannot be chosen now. */
  disabled?: string;
  checked?: boolean;
  /** Stays open after a choice (check lists). */
  keep?: boolean;
  separated?: boolean;
  run: () => void;
}

interface ListProps {
  items: MenuItem[];
  anchor: { left: number; top: number; bottom: number; right: number };
  label: string;
  alignRight?: boolean;
  onClose: () => void;
}

export function MenuList({ items, anchor, label, alignRight, onClose }: ListProps): JSX.Element {
  const ref = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const menu = ref.current;
    if (!menu) return;
    const before = document.activeElement;
    menu.showPopover();
    const own = menu.getBoundingClientRect();
    const left = alignRight ? anchor.right - own.width : anchor.left;
    menu.style.left = `${Math.max(8, Math.min(left, innerWidth - own.width - 8))}px`;
    menu.style.top = `${anchor.bottom + 4 + own.height < innerHeight ? anchor.bottom + 4 : Math.max(8, anchor.top - own.height - 4)}px`;
    menu.querySelector<HTMLElement>("[role^=menuitem]")?.focus();
    return () => {
      if (before instanceof HTMLElement && before.isConnected && (document.activeElement === document.body || menu.contains(document.activeElement))) before.focus();
    };
  }, []);
  const move = (step: number): void => {
    const all = [...(ref.current?.querySelectorAll<HTMLElement>("[role^=menuitem]") ?? [])];
    const at = all.indexOf(document.activeElement as HTMLElement);
    all[(at + step + all.length) % all.length]?.focus();
  };
  return (
    <div
      ref={ref}
      class="menu"
      popover="auto"
      role="menu"
      aria-label={label}
      onToggle={(event) => {
        if (event.newState === "closed") onClose();
      }}
      onKeyDown={(event) => {
        event.stopPropagation();
        if (event.key === "ArrowDown") move(1);
        else if (event.key === "ArrowUp") move(-1);
        else if (event.key === "Escape" || event.key === "Tab") ref.current?.hidePopover();
        else return;
        event.preventDefault();
      }}
    >
      {items.map((item) => (
        <button
          type="button"
          key={item.label}
          role={item.checked === undefined ? "menuitem" : "menuitemcheckbox"}
          aria-checked={item.checked}
          aria-disabled={item.disabled ? "true" : undefined}
          class={`menu-item ${item.danger ? "danger" : ""} ${item.separated ? "separated" : ""}`}
          data-tip={item.disabled}
          tabIndex={-1}
          onClick={() => {
            if (item.disabled) return;
            if (!item.keep) ref.current?.hidePopover();
            item.run();
          }}
        >
          <span class="menu-mark">{item.checked ? <Icon name="check" /> : item.icon ? <Icon name={item.icon} /> : null}</span>
          <span class="menu-label">{item.label}</span>
          {item.hint && <span class="menu-hint">{item.hint}</span>}
        </button>
      ))}
    </div>
  );
}

interface ButtonProps {
  items: MenuItem[] | (() => MenuItem[]);
  label: string;
  icon?: IconName;
  kind?: "plain" | "ghost";
  alignRight?: boolean;
  tip?: string;
  class?: string;
  /** The label is said although there is text: for text that falls away when there is no room. */
  labelled?: boolean;
  children?: ComponentChildren;
}

export function MenuButton(props: ButtonProps): JSX.Element {
  const [anchor, setAnchor] = useState<DOMRect | null>(null);
  const items = typeof props.items === "function" ? (anchor ? props.items() : []) : props.items;
  return (
    <>
      <Button
        kind={props.kind ?? "ghost"}
        {...(props.icon && { icon: props.icon })}
        {...((!props.children || props.labelled) && { label: props.label })}
        {...(props.tip && { tip: props.tip })}
        popup="menu"
        class={props.class ?? ""}
        expanded={anchor !== null}
        onClick={(event) => setAnchor(anchor ? null : (event.currentTarget as Element).getBoundingClientRect())}
      >
        {props.children && (
          <>
            {props.children}
            <Icon name="down" />
          </>
        )}
      </Button>
      {anchor && <MenuList items={items} anchor={anchor} label={props.label} alignRight={props.alignRight ?? false} onClose={() => setAnchor(null)} />}
    </>
  );
}
