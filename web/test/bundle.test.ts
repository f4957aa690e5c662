import { existsSync, readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";

const source = new URL("../src/", import.meta.url);
const built = new URL("../dist/", import.meta.url);

function files(at: URL): URL[] {
  return readdirSync(at, { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? files(new URL(`${e.name}/`, at)) : [new URL(e.name, at)]));
}

it("no file is longer than 600 lines, and none makes markup from text", () => {
  for (const file of files(source)) {
    const text = readFileSync(file, "utf8");
    expect(text.split("\n").length, file.pathname).toBeLessThanOrEqual(600);
    expect(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|dangerouslySet/.test(text), file.pathname).toBe(false);
  }
});

it.skipIf(!existsSync(built))("the JavaScript is under 250 KB gzip, and nothing is inline or from elsewhere", () => {
  const scripts = files(built).filter((f) => f.pathname.endsWith(".js"));
  expect(scripts.length).toBeGreaterThan(0);
  expect(scripts.reduce((sum, f) => sum + gzipSync(readFileSync(f)).length, 0)).toBeLessThan(250 * 1024);
  const html = readFileSync(new URL("index.html", built), "utf8");
  expect(/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|https?:\/\//.test(html)).toBe(false);
});
