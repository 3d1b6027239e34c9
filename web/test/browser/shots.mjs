// The pictures of the documentation: a stranger's first minute, and the page in dark, narrow and enlarged.
//   PELLUCID=PROGRAM node test/browser/shots.mjs [FOLDER]      default: docs/images
import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import path from "node:path";
import { frames, Harness, Program, ROOT, settled, view } from "./harness.mjs";
import { quantise } from "./quantise.mjs";

const folder = path.resolve(process.argv[2] ?? path.join(ROOT, "docs/images"));
const LARGEST = 150_000;

const program = await Program.start();
const h = await Harness.start({ program });

async function shot(page, name) {
  const file = path.join(folder, `${name}.png`);
  await frames(page);
  await quantise(await page.screenshot(), file);
  const { size } = await stat(file);
  console.log(`${path.relative(ROOT, file)}: ${Math.round(size / 1000)} kB`);
  assert.ok(size <= LARGEST, `${name} is too large`);
}

const demo = (options = {}) => h.open({ hash: "ws=first-steps", settle: 6, viewport: { width: 1280, height: 800 }, ...options });
const steps = (page) => page.getByRole("complementary", { name: "Path" });
/** Answers to a change are waited for: first that it is asked, then that all is there. */
async function answered(page) {
  await page.waitForTimeout(700);
  await settled(page);
}

// The first minute, step by step on one page.
{
  const page = await demo();
  const token = (text) => view(page, "next").locator(".fig-token", { hasText: text });
  await page.mouse.move(2, 400);
  await shot(page, "first-minute-1");
  await token("Senate").hover();
  await shot(page, "first-minute-2");
  await token("United").click();
  await page.mouse.move(2, 400);
  await shot(page, "first-minute-3");
  await steps(page).getByRole("button", { name: "Remove it", exact: true }).click();
  await page.locator(".chip input").first().check();
  await answered(page);
  await shot(page, "first-minute-4");
  await view(page, "next").getByLabel("What is shown").selectOption("edits");
  await view(page, "next").locator(".kind-compare").waitFor();
  await answered(page);
  await view(page, "next").getByRole("button", { name: /Maximise/ }).click();
  await shot(page, "first-minute-5");
  await page.keyboard.press("Escape");
  await view(page, "next").getByLabel("What is shown").selectOption("after");
  await page.locator(".chip input").first().uncheck();
  await page.locator(".chip input").nth(1).check();
  await steps(page).getByRole("button", { name: "Remove what matters", exact: true }).click();
  await answered(page);
  await shot(page, "first-minute-6");
  await page.context().close();
}

// A token pinned in one view and lit in all.
{
  const page = await demo({ viewport: { width: 1440, height: 900 } });
  await view(page, "next").locator(".fig-token", { hasText: "United" }).click();
  await page.mouse.move(2, 400);
  await shot(page, "workbench");
  await page.context().close();
}

for (const [name, options] of [
  ["workbench-dark", { colorScheme: "dark" }],
  ["workbench-1024", { viewport: { width: 1024, height: 768 } }],
  ["workbench-200-percent", { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 }],
]) {
  const page = await demo(options);
  await page.mouse.move(2, 300);
  await shot(page, name);
  await page.context().close();
}

await h.browser.close();
await program.remove();
