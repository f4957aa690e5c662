// Debian's Chromium under Playwright: fresh profile, nothing that talks to the outside, every console message kept.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

process.setMaxListeners(64); // one for the profile of each browser that a test starts

const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"];

export async function startBrowser({ width = 1280, height = 720, scale = 1 } = {}) {
  const profile = mkdtempSync(join(tmpdir(), "trawl-browser-"));
  process.on("exit", () => { // also when the test stops early, with the browser still writing
    try {
      rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    } catch (error) {
      console.log(`${profile} stays: ${error.message}`);
    }
  });
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: flags, viewport: { width, height }, deviceScaleFactor: scale, acceptDownloads: true, timezoneId: "UTC",
  });
  const troubles = [];
  const watch = (page) => {
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") troubles.push(`${message.type()}: ${message.text()} (${message.location().url})`);
    });
    page.on("pageerror", (error) => troubles.push(`exception: ${error.stack ?? error.message}`));
  };
  context.setDefaultTimeout(15_000);
  context.pages().forEach(watch);
  context.on("page", watch);
  const close = async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };
  return { context, page: context.pages()[0] ?? (await context.newPage()), troubles, close };
}
