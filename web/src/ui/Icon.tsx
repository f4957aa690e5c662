// One inline sprite, 16 px, stroke 1.5. An icon never stands without a label or an aria-label on its button.
import type { JSX } from "preact";

const paths: Record<string, string> = {
  mark: "M1.5 4c2.2 0 2.2 2 4.3 2S8 4 10.200 4s2.200 2 4.300 2M3.500 9h9M5 12h6M6.800 14.500h2.400",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.700 10.700L14 14",
  plus: "M8 3v10M3 8h10",
  download: "M8 2v8M4.500 7L8 10.500 11.500 7M3 13.500h10",
  upload: "M8 10.500v-8M4.500 6L8 2.500 11.500 6M3 13.500h10",
  pcap: "M2.500 3.500h11v9h-11zM5 6v4M8 5.500v5M11 7v2",
  trash: "M3 4.500h10M6.500 4.500V2.500h3v2M4.500 4.500l.6 9h5.800l.6-9M6.800 7v4M9.200 7v4",
  dots: "M3.500 8h.01M8 8h.01M12.500 8h.01",
  close: "M4 4l8 8M12 4l-8 8",
  down: "M4 6l4 4 4-4",
  right: "M6 4l4 4-4 4",
  left: "M10 4L6 8l4 4",
  check: "M3 8.500L6.500 12 13 4.500",
  lock: "M4 7.500h8v6H4zM5.500 7.500V5a2.500 2.500 0 0 1 5 0v2.500",
  unlock: "M4 7.500h8v6H4zM5.500 7.500V5a2.500 2.500 0 0 1 4.800-.9",
  warning: "M8 2.500l6 11H2zM8 6.500v3.500M8 11.900v.01",
  info: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 7.500v3.500M8 5v.01",
  copy: "M5.500 5.500h8v8h-8zM2.500 10.500v-8h8",
  edit: "M3 13l.7-3L11 2.700 13.300 5 6 12.300z",
  expand: "M9.500 2.500h4v4M6.500 13.500h-4v-4M13.500 2.500L9.500 6.500M2.500 13.500l4-4",
  help: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM6.200 6.300a1.800 1.800 0 1 1 2.600 1.700c-.6.3-.8.6-.8 1.200M8 11.200v.01",
  cut: "M4 5.500a1.500 1.500 0 1 0 0-3 1.500 1.500 0 0 0 0 3zM4 13.500a1.500 1.500 0 1 0 0-3 1.500 1.500 0 0 0 0 3zM5.300 5l8.200 7M5.300 11l8.200-7",
  gap: "M2.500 2.500h11v11h-11zM2.500 9.500l7-7M2.500 13.500l11-11M6.500 13.500l7-7",
  places: "M2.500 5.500h10M10 3l2.500 2.500L10 8M13.500 10.500h-10M6 8l-2.500 2.500L6 13",
  refresh: "M13 8a5 5 0 1 1-1.500-3.600M13 2.500v3h-3",
  play: "M5 3.500v9l7.500-4.500z",
  user: "M8 8a2.700 2.700 0 1 0 0-5.500A2.700 2.700 0 0 0 8 8zM3 13.800c.5-2.700 2.500-4 5-4s4.500 1.300 5 4",
  link: "M6.700 9.300a2.600 2.600 0 0 0 3.700 0l2-2a2.600 2.600 0 0 0-3.700-3.700l-.8.8M9.300 6.700a2.600 2.600 0 0 0-3.700 0l-2 2a2.600 2.600 0 0 0 3.700 3.700l.8-.8",
  wrap: "M2.500 4h11M2.500 8h8.500a2.200 2.200 0 0 1 0 4.500H8M9.500 10.700L7.700 12.500l1.800 1.800M2.500 12.500h3",
  fold: "M3 10l5-5 5 5",
};

export type IconName = keyof typeof paths & string;

export function IconSprite(): JSX.Element {
  return (
    <svg class="sprite" aria-hidden="true" width="0" height="0">
      {Object.entries(paths).map(([name, d]) => (
        <symbol id={`i-${name}`} key={name} viewBox="0 0 16 16">
          <path d={d} fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" />
        </symbol>
      ))}
    </svg>
  );
}

export function Icon({ name }: { name: IconName }): JSX.Element {
  return (
    <svg class="icon" width="16" height="16" aria-hidden="true">
      <use href={`#i-${name}`} />
    </svg>
  );
}
