import type { JSX } from "preact";
import type { Quota } from "../api/types";
import { formatBytes, formatBytesOf } from "../format/quantity";

export function StorageMeter({ quota }: { quota: Quota | null }): JSX.Element | null {
  if (!quota || quota.limit_bytes <= 0) return null;
  const used = quota.used_bytes / quota.limit_bytes;
  const reserved = quota.reserved_bytes / quota.limit_bytes;
  const tone = used + reserved >= 0.95 ? "error" : used + reserved >= 0.8 ? "warn" : "accent";
  const word = tone === "error" ? " · nearly full" : tone === "warn" ? " · filling up" : "";
  return (
    <div class={`meter ${tone}`} role="meter" aria-label="Snapshot storage" aria-valuemin={0} aria-valuemax={quota.limit_bytes} aria-valuenow={quota.used_bytes} aria-valuetext={formatBytesOf(quota.used_bytes, quota.limit_bytes)}
      data-tip={`${formatBytes(quota.used_bytes)} used · ${formatBytes(quota.reserved_bytes)} reserved · ${formatBytes(quota.free_bytes)} free`}>
      <span class="meter-words">{formatBytesOf(quota.used_bytes, quota.limit_bytes)}{word}</span>
      <svg width="200" height="8" aria-hidden="true">
        <rect class="meter-all" width="200" height="8" />
        <rect class="meter-reserved" x={200 * used} width={Math.max(0, Math.min(200 - 200 * used, 200 * reserved))} height="8" />
        <rect class="meter-used" width={Math.min(200, 200 * used)} height="8" />
      </svg>
    </div>
  );
}
