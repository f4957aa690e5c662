// Four kinds of button. A disabled one stays in the tab order and its tooltip says why.
import type { ComponentChildren, JSX } from "preact";
import { Icon, type IconName } from "./Icon";

interface Props {
  kind?: "primary" | "plain" | "ghost" | "danger" | "danger-solid" | "link";
  icon?: IconName;
  /** Needed when there is no text. */
  label?: string;
  tip?: string;
  /** The reason; empty means enabled. */
  disabled?: string | false;
  pressed?: boolean;
  autofocus?: boolean;
  expanded?: boolean;
  popup?: "menu" | "dialog" | "listbox";
  class?: string;
  type?: "button" | "submit";
  onClick?: (event: MouseEvent) => void;
  children?: ComponentChildren;
}

export function Button(props: Props): JSX.Element {
  const { kind = "plain", disabled } = props;
  const iconOnly = props.icon !== undefined && !props.children;
  return (
    <button
      type={props.type ?? "button"}
      class={`button ${kind} ${iconOnly ? "icon-only" : ""} ${props.class ?? ""}`}
      aria-label={props.label}
      aria-disabled={disabled ? "true" : undefined}
      aria-pressed={props.pressed}
      aria-expanded={props.expanded}
      aria-haspopup={props.popup}
      data-tip={disabled || props.tip || (iconOnly ? props.label : undefined)}
      autofocus={props.autofocus}
      onClick={(event) => {
        if (disabled) {
          event.preventDefault();
          event.stopPropagation();
          return;
        }
        props.onClick?.(event);
      }}
    >
      {props.icon && <Icon name={props.icon} />}
      {props.children}
    </button>
  );
}
