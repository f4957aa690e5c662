import type { JSX } from "preact";
import type { Snapshot } from "../api/types";
import { formatBytes } from "../format/quantity";
import { toMs } from "../format/time";
import { nodesStore } from "../state/live";
import { useStore } from "../state/store";
import { Button } from "../ui/Button";
import { Captured } from "../ui/Captured";
import { Dialog } from "../ui/Dialog";
import { remove } from "./actions";
import { dissectionsWords } from "./status";

export function DeleteDialog({ list, onClose }: { list: Snapshot[]; onClose: () => void }): JSX.Element {
  const nodes = useStore(nodesStore, (n) => n.data?.nodes ?? []);
  const free = list.filter((s) => !s.locked);
  const locked = list.length - free.length;
  const [only] = list;
  const bytes = free.reduce((sum, s) => sum + s.size_bytes, 0);
  // Every node of the snapshot must still hold the whole window, or making it again would give less.
  const recreatable = free.every((s) => s.origin === "ring" && s.nodes.every((n) => {
    const oldest = nodes.find((x) => x.name === n.name)?.ring.oldest;
    return oldest !== undefined && oldest !== null && toMs(oldest) <= toMs(s.from);
  }));
  const again = recreatable ? "The ring still holds this window: it can be made again for a while."
    : free.some((s) => s.origin === "import") ? "What was imported can only be had again from its file." : "The ring no longer holds this window: it cannot be made again.";
  return (
    <Dialog
      alert
      title={list.length === 1 && only ? <>Delete "<Captured text={only.name} />"?</> : `Delete ${list.length} snapshots?`}
      onClose={onClose}
      footer={
        <>
          <span class="grow" />
          <Button autofocus onClick={onClose}>Cancel</Button>
          <Button kind="danger-solid" disabled={free.length === 0 ? "All of them are locked" : ""} onClick={() => {
            void remove(free);
            onClose();
          }}>
            {free.length > 1 ? `Delete ${free.length} snapshots` : "Delete snapshot"}
          </Button>
        </>
      }
    >
      <p>Frees {formatBytes(bytes)} of the quota{dissectionsWords(free)}. {again}</p>
      {locked > 0 && <p class="hint">{locked === 1 ? "One of them is locked and stays." : `${locked} of them are locked and stay.`}</p>}
    </Dialog>
  );
}
