import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

// Computed from the stylesheet itself, so that a colour changed there is measured here.
const css = readFileSync(new URL("../src/style/tokens.css", import.meta.url), "utf8");

function theme(name: string): Record<string, string> {
  const block = new RegExp(`:root\\[data-theme="${name}"\\] \\{([^}]*)\\}`).exec(css)?.[1] ?? "";
  return Object.fromEntries([...block.matchAll(/--([a-z0-9-]+):\s*(#[0-9A-Fa-f]{6});/g)].map((m) => [m[1]!, m[2]!]));
}

function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const c = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p) as [number, number];
  return (x + 0.05) / (y + 0.05);
}

const mix = (over: string, under: string, share: number): number[] => [1, 3, 5].map((at) => Math.round(Number.parseInt(over.slice(at, at + 2), 16) * share + Number.parseInt(under.slice(at, at + 2), 16) * (1 - share)));

describe.each(["light", "dark"])("%s", (name) => {
  const t = theme(name);
  const surfaces = ["bg", "surface", "sunk", "hover", "selected"];
  const states = ["ok", "warn", "error", "info"];
  const protocols = Object.keys(t).filter((k) => k.startsWith("p-") && !k.endsWith("-tint"));

  it("has every token", () => {
    expect(Object.keys(t).length).toBeGreaterThanOrEqual(20 + 26);
    expect(protocols).toHaveLength(13);
  });
  it.each(["text", "text-2", "text-3", "accent", ...states, ...protocols])("%s reads on every surface", (token) => {
    for (const surface of surfaces) expect(contrast(t[token]!, t[surface]!), `--${token} on --${surface}`).toBeGreaterThanOrEqual(4.8);
  });
  it.each([...states, ...protocols])("%s reads on its tint", (token) => expect(contrast(t[token]!, t[`${token}-tint`]!)).toBeGreaterThanOrEqual(4.8));
  it("text on the accent reads", () => expect(contrast(t["on-accent"]!, t["accent"]!)).toBeGreaterThanOrEqual(4.8));
  it("edges of controls show", () => {
    for (const surface of ["bg", "surface", "sunk"]) expect(contrast(t["control"]!, t[surface]!)).toBeGreaterThanOrEqual(3);
  });
  it("tints are the colour over the surface", () => {
    for (const token of [...states, ...protocols]) {
      const want = mix(t[token]!, t["surface"]!, name === "light" ? 0.12 : 0.18);
      const have = [1, 3, 5].map((at) => Number.parseInt(t[`${token}-tint`]!.slice(at, at + 2), 16));
      want.forEach((channel, i) => expect(Math.abs(channel - have[i]!), token).toBeLessThanOrEqual(2));
    }
  });
});
