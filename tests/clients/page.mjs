// Clicks through an HTML report in a real browser.
//
//     npm install --no-save playwright-core && tests/clients/page.mjs report.html [screenshots/]
//
// Needs Debian's package `chromium`. Exit code 0 if all is well, 1 if not.

import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import assert from "node:assert/strict";

// From where it is called, so that nothing is installed into the repository.
const { chromium } = createRequire(resolve("package.json"))("playwright-core");
const [file, shots] = process.argv.slice(2);
const url = pathToFileURL(resolve(file)).href;
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});

const sizes = { phone: [390, 844], tablet: [820, 1180], projector: [1920, 1080] };
try {
  for (const [name, [width, height]] of Object.entries(sizes)) {
    for (const colorScheme of ["light", "dark"]) {
      const page = await browser.newPage({ viewport: { width, height }, colorScheme });
      await look(page, `${name}-${colorScheme}`);
      await page.close();
    }
  }
} finally {
  await browser.close();
}
console.log("the page is well");

async function look(page, name) {
  const trouble = [];
  page.on("console", (message) => trouble.push(message.text()));
  page.on("pageerror", (error) => trouble.push(String(error)));
  page.on("request", (request) => request.url() === url || trouble.push(`asks for ${request.url()}`));
  await page.goto(url);
  if (shots) await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(wide <= 0, `${name}: ${wide} pixels too wide`);
  await clickAMark(page, name);
  await fold(page, name);
  await switchTheme(page, name);
  assert.deepEqual(trouble, [], name);
}

// A mark in the timeline leads to its row in the table. The last one lies above the others.
async function clickAMark(page, name) {
  const link = page.locator("details.run[open] .timeline a").last();
  const target = await link.getAttribute("href");
  await link.locator("path").first().click();
  assert.ok(page.url().endsWith(target), `${name}: no way to ${target}`);
  assert.ok(await page.locator(`tr${target}`).isVisible(), `${name}: ${target} is not to be seen`);
}

// A run can be folded and unfolded.
async function fold(page, name) {
  const run = page.locator("details.run[open]").first();
  const id = await run.getAttribute("id");
  await page.locator(`#${id} > summary`).click();
  assert.ok(!(await page.locator(`#${id} .timeline`).isVisible()), `${name}: ${id} does not fold`);
  await page.locator(`#${id} > summary`).click();
  assert.ok(await page.locator(`#${id} .timeline`).isVisible(), `${name}: ${id} does not unfold`);
}

// The switch overrides the system's theme.
async function switchTheme(page, name) {
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const seen = {};
  for (const theme of ["light", "dark"]) {
    await page.locator(`label:has(#theme-${theme})`).click();
    seen[theme] = await background();
  }
  assert.notEqual(seen.light, seen.dark, `${name}: the themes are the same`);
}
