import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Snapshot } from "../api/types";
import { Button } from "../ui/Button";
import { Captured } from "../ui/Captured";
import { Dialog } from "../ui/Dialog";
import { patch } from "./actions";

export function NoteDialog({ snapshot, onClose }: { snapshot: Snapshot; onClose: () => void }): JSX.Element {
  const [note, setNote] = useState(snapshot.note);
  const [tags, setTags] = useState(snapshot.tags.join(", "));
  const save = (): void => {
    void patch(snapshot, { note: note.trim(), tags: tags.split(",").map((t) => t.trim()).filter(Boolean) }).then((saved) => saved && onClose());
  };
  return (
    <Dialog title={<>Note of "<Captured text={snapshot.name} />"</>} onClose={onClose} onSubmit={save}
      footer={<><span class="grow" /><Button onClick={onClose}>Cancel</Button><Button kind="primary" type="submit">Save</Button></>}>
      <div class="form-row">
        <label class="form-label" for="note">Note</label>
        <div class="form-control"><input id="note" class="input grow" maxLength={500} autofocus value={note} placeholder="INC-4711" onInput={(event) => setNote(event.currentTarget.value)} /></div>
      </div>
      <div class="form-row">
        <label class="form-label" for="tags">Tags</label>
        <div class="form-control">
          <input id="tags" class="input grow" maxLength={500} value={tags} placeholder="checkout, sev1" onInput={(event) => setTags(event.currentTarget.value)} />
          <p class="hint form-note">Separated by commas. The search finds both.</p>
        </div>
      </div>
    </Dialog>
  );
}
