import type { JSX } from "preact";
export function StreamView(): JSX.Element {
  return <div class="stream" />;
}
