import type { JSX } from "preact";

/** The last values as a line; the newest at the right. */
export function Sparkline({ values, label, width = 280, height = 32 }: { values: number[]; label: string; width?: number; height?: number }): JSX.Element {
  const most = Math.max(1, ...values);
  const step = width / 299;
  const points = values.map((v, i) => `${(width - (values.length - 1 - i) * step).toFixed(1)},${(height - 1 - (v / most) * (height - 3)).toFixed(1)}`);
  return (
    <svg class="sparkline" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" height={height} role="img" aria-label={label}>
      <line class="spark-base" x1="0" x2={width} y1={height - 0.5} y2={height - 0.5} />
      {points.length > 1 && <polyline points={points.join(" ")} />}
    </svg>
  );
}
