// The drawn shape of a state; its word stands beside it.
import type { JSX } from "preact";
import type { Shape } from "./status";

export function StatusMark({ shape, share = 0 }: { shape: Shape; share?: number }): JSX.Element {
  const around = 2 * Math.PI * 4.5;
  return (
    <svg class="status-mark" width="12" height="12" viewBox="0 0 12 12" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.500">
      {shape === "ring" && <circle cx="6" cy="6" r="4.500" />}
      {shape === "dot" && <circle cx="6" cy="6" r="5" fill="currentColor" stroke="none" />}
      {shape === "half" && (
        <>
          <circle cx="6" cy="6" r="4.500" />
          <path d="M6 1.500a4.500 4.500 0 0 0 0 9z" fill="currentColor" stroke="none" />
        </>
      )}
      {shape === "progress" && (
        <>
          <circle cx="6" cy="6" r="4.500" opacity="0.35" />
          <circle cx="6" cy="6" r="4.500" stroke-width="2.500" stroke-dasharray={`${Math.max(0.06, Math.min(1, share)) * around} ${around}`} transform="rotate(-90 6 6)" />
        </>
      )}
      {shape === "check" && (
        <>
          <circle cx="6" cy="6" r="5" fill="currentColor" stroke="none" />
          <path d="M3.600 6.200l1.700 1.700 3.100-3.600" class="status-cutout" />
        </>
      )}
      {shape === "cross" && (
        <>
          <rect x="1" y="1" width="10" height="10" rx="1.500" fill="currentColor" stroke="none" />
          <path d="M4 4l4 4M8 4L4 8" class="status-cutout" />
        </>
      )}
    </svg>
  );
}
