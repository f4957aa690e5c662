import type { JSX } from "preact";
import { Dialog } from "../ui/Dialog";
import { actions } from "./keys";

const groups = [...new Set(actions.map((action) => action.group))];

export function Keys({ keys }: { keys: string[] }): JSX.Element {
  return (
    <span class="keys">
      {keys.map((key) => (
        <span key={key} class="key-combo">
          {key.split(" ").map((press) => (
            <kbd key={press}>{press}</kbd>
          ))}
        </span>
      ))}
    </span>
  );
}

export function KeyHelp({ onClose }: { onClose: () => void }): JSX.Element {
  return (
    <Dialog title="Keys" class="wide" reading onClose={onClose}>
      <div class="key-columns">
        {groups.map((group) => (
          <section key={group}>
            <h3>{group}</h3>
            <dl>
              {actions.filter((a) => a.group === group && a.keys.length > 0).map((action) => (
                <div key={action.id}>
                  <dt><Keys keys={action.keys} /></dt>
                  <dd>{action.words}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <p class="hint">Single keys work outside inputs and can be switched off in Settings. Actions without a key are in the palette, Ctrl+K.</p>
    </Dialog>
  );
}
