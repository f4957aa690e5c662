// What the capture cannot prove, said where the rows are.
import type { JSX } from "preact";
import type { Snapshot } from "../api/types";
import { formatExactCount, plural } from "../format/quantity";
import { preferences } from "../state/preferences";
import { go } from "../state/route";
import { useStore } from "../state/store";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { damageOf, damageWords, missingWords } from "../snapshots/status";

interface Fact {
  text: string;
  run?: () => void;
}

export function honestFacts(snapshot: Snapshot | undefined, warnings: string[], zone: "local" | "utc"): Fact[] {
  const facts: Fact[] = warnings.map((text) => ({ text }));
  if (!snapshot) return facts;
  const show = (): void => go({ view: "snapshots", open: snapshot.id });
  const found = damageOf(snapshot);
  if (found) facts.push({ text: `damaged: ${damageWords(found)}`, run: show });
  if (snapshot.partial) facts.push({ text: missingWords(snapshot, zone), run: show });
  for (const node of snapshot.nodes) {
    const lost = node.drops.kernel + node.drops.ring + node.drops.disk;
    if (lost > 0) facts.push({ text: `${node.name} lost ${formatExactCount(lost)} packets`, run: show });
  }
  const damage = snapshot.dissections.reduce((sum, d) => sum + d.damage, 0);
  if (damage > 0) facts.push({ text: `${plural(damage, "damaged block")} stepped over`, run: show });
  return facts;
}

export function HonestyStrip({ snapshot, warnings }: { snapshot: Snapshot | undefined; warnings: string[] }): JSX.Element | null {
  const zone = useStore(preferences, (p) => (p.zone === "relative" ? "local" : p.zone));
  const facts = honestFacts(snapshot, warnings, zone);
  if (facts.length === 0) return null;
  return (
    <div class="honesty" role="status">
      <Icon name="warning" />
      <span class="ellipsis" data-tip={facts.map((f) => f.text).join("\n")}>
        {facts.slice(0, 4).map((fact, i) => (
          <span key={fact.text}>{i > 0 && " · "}{fact.run ? <Button kind="link" onClick={fact.run}>{fact.text}</Button> : fact.text}</span>
        ))}
        {facts.length > 4 && ` · ${facts.length - 4} more`}
      </span>
    </div>
  );
}
