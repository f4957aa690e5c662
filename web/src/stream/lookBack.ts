import { post } from "../api/client";
import type { CreateSnapshotRequest, Snapshot } from "../api/types";
import { snapshotsStore, takeSnapshot } from "../state/live";
import { go } from "../state/route";
import { sayError } from "../ui/Toasts";
import { suggestName } from "../snapshots/window";

/** Creates, dissects and opens the last minutes in one step; the stream shows how far it is. */
export async function lookBack(seconds: number): Promise<void> {
  try {
    const name = suggestName((snapshotsStore.get().list ?? []).map((s) => s.name));
    const body: CreateSnapshotRequest = { name, last_s: seconds, auto_dissect: true, allow_partial: true };
    const snapshot = await post<Snapshot>("snapshots", body);
    takeSnapshot(snapshot);
    go({ view: "stream", source: snapshot.id, from: "", to: "", entry: "" });
  } catch (error) {
    sayError(error);
  }
}
