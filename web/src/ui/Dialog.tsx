// A native modal dialog: the browser keeps the focus inside and gives it back. Escape and × go through `onClose`, which may refuse.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Button } from "./Button";

interface Props {
  title: ComponentChildren;
  class?: string;
  onClose: () => void;
  footer?: ComponentChildren;
  children: ComponentChildren;
  onSubmit?: () => void;
  alert?: boolean;
  /** Only text inside: the body itself takes the focus, so that keys can scroll it. */
  reading?: boolean;
}

export function Dialog(props: Props): JSX.Element {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    dialog?.showModal();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  const body = (
    <>
      <header class="dialog-head">
        <h2 id="dialog-title">{props.title}</h2>
        <Button kind="ghost" icon="close" label="Close" onClick={props.onClose} />
      </header>
      <div class="dialog-body" tabIndex={props.reading ? 0 : undefined}>{props.children}</div>
      {props.footer && <footer class="dialog-foot">{props.footer}</footer>}
    </>
  );
  return (
    <dialog
      ref={ref}
      class={`dialog ${props.class ?? ""}`}
      role={props.alert ? "alertdialog" : undefined}
      aria-labelledby="dialog-title"
      onCancel={(event) => {
        event.preventDefault();
        props.onClose();
      }}
    >
      <form
        method="dialog"
        onSubmit={(event) => {
          event.preventDefault();
          props.onSubmit?.();
        }}
      >
        {body}
      </form>
    </dialog>
  );
}
