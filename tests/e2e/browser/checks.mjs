// What must hold on every page: accessible, nothing scrolls sideways, no word cut where it should stand whole.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const here = dirname(fileURLToPath(import.meta.url));
export const outFolder = process.env.TRAWL_OUT ? join(process.env.TRAWL_OUT, "browser") : join(here, "../../out/browser");
mkdirSync(outFolder, { recursive: true });

export class Checks {
  passed = 0;
  failures = [];

  ok(condition, what) {
    if (condition) this.passed++;
    else {
      this.failures.push(what);
      console.log(`FAILED  ${what}`);
    }
    return Boolean(condition);
  }

  equal(got, want, what) {
    return this.ok(got === want, `${what}: ${JSON.stringify(got)} is not ${JSON.stringify(want)}`);
  }

  close() {
    console.log(`${this.passed} checks passed, ${this.failures.length} failed`);
    process.exitCode = this.failures.length > 0 ? 1 : 0;
  }
}

export async function screenshot(page, name) {
  await page.screenshot({ path: join(outFolder, `${name}.png`) });
}

/** No serious or critical finding, no sideways scroll of the page, no button whose words do not fit. */
export async function checkPage(checks, page, name, { axe = true } = {}) {
  if (axe) await checkAccess(checks, page, name);
  const layout = await page.evaluate(() => {
    const root = document.scrollingElement ?? document.documentElement;
    const clipped = [...document.querySelectorAll("button, .tab, th, .head-cell")]
      .filter((e) => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1 && !e.closest(".source-select, .node-name") && !e.matches(".clause-text, .node-name, .call, .json-toggle"))
      .map((e) => `${e.className}: ${e.textContent}`);
    const outside = [...document.querySelectorAll(".header a, .header button, .footer > *, .toolbar button, .filter-bar button")].filter((e) => e.checkVisibility() && (e.getBoundingClientRect().right > innerWidth + 1 || e.getBoundingClientRect().left < -1)).map((e) => e.className);
    return { sideways: root.scrollWidth - innerWidth, clipped, outside };
  });
  checks.ok(layout.outside.length === 0, `${name}: out of sight: ${layout.outside.join(" | ")}`);
  checks.ok(layout.sideways <= 0, `${name}: the page scrolls sideways by ${layout.sideways} px`);
  checks.ok(layout.clipped.length === 0, `${name}: cut words: ${layout.clipped.join(" | ")}`);
}

async function checkAccess(checks, page, name) {
  await page.evaluate(axeSource);
  const findings = await page.evaluate(async () => {
    const result = await globalThis.axe.run(document, { resultTypes: ["violations"] });
    return result.violations.filter((v) => v.impact === "serious" || v.impact === "critical").map((v) => `${v.id} (${v.impact}): ${v.nodes.slice(0, 3).map((n) => n.target.join(" ")).join(", ")}`);
  });
  checks.ok(findings.length === 0, `${name}: accessibility: ${findings.join("; ")}`);
}

export async function theme(page, value) {
  await page.evaluate((v) => {
    const kept = JSON.parse(localStorage.getItem("trawl") ?? "{}");
    localStorage.setItem("trawl", JSON.stringify({ ...kept, theme: v }));
  }, value);
  await page.reload();
}
