// What the gallery of figures shows: links by hover, pin and brush, keys, exports, ways of drawing. With pictures where a
// folder for them is given.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import AxeBuilder from "@axe-core/playwright";
import { createServer } from "vite";
import { choices } from "./gallery.choices.mjs";
import { ROOT } from "./harness.mjs";

/** A server with the gallery, and how its pages are opened. */
export async function serveGallery(browser) {
  const server = await createServer({ root: path.join(ROOT, "web"), server: { port: 5187, strictPort: false }, logLevel: "error" });
  await server.listen();
  const [address] = server.resolvedUrls.local;
  async function open(query, scheme = "light", width = 1280) {
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme });
    const page = await context.newPage();
    const problems = [];
    page.on("console", (m) => m.type() === "error" && problems.push(m.text()));
    page.on("pageerror", (e) => problems.push(e.stack ?? e.message));
    await page.goto(`${address}gallery.html${query}`);
    await page.waitForFunction("window.gallery?.handles.length > 0");
    await page.waitForTimeout(500);
    return { page, problems, close: () => context.close() };
  }
  return { open, close: () => server.close() };
}

/** How many pixels of an overlay are painted. */
const lit = (page, card) =>
  page.evaluate((id) => {
    const canvas = document.querySelector(`#${id} .fig-top`);
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let n = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i]) n++;
    return n;
  }, card);
const frames = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 20)))));

async function axe(page) {
  const found = (await new AxeBuilder({ page }).setLegacyMode().include("#gallery").analyze()).violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  assert.equal(found.length, 0, JSON.stringify(found.map(({ id, nodes }) => [id, nodes.length, nodes[0].html.slice(0, 160), nodes[0].any[0]?.message])));
}

export async function galleryChecks({ open, check, shots }) {
  if (shots) mkdirSync(shots, { recursive: true });
  const keep = (name, text) => shots && writeFileSync(path.join(shots, name), text);
  const picture = (of, name, fullPage = false) => shots && of.screenshot({ path: path.join(shots, `${name}.png`), ...(fullPage ? { fullPage } : {}) });

  const { page, problems, close } = await open("");
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.waitForTimeout(400);
    await picture(page, `gallery-${scheme}`, true);
  }
  await page.emulateMedia({ colorScheme: "light" });
  await check("hovering a token lights three other figures", async () => {
    await page.hover("#card0 .fig-token >> nth=4");
    await frames(page);
    assert.deepEqual(await page.evaluate("gallery.bus.hover"), { "pos@prompt:1": [4] });
    const counts = [await lit(page, "card1"), await lit(page, "card2")];
    assert(counts.every((n) => n > 20), String(counts));
    await picture(page, "hover");
  });
  await check("a cell of a pattern lights both its tokens", async () => {
    const box = await page.locator("#card1 .fig-top").boundingBox();
    for (let x = 60; x < box.width; x += 7) {
      await page.mouse.move(box.x + x, box.y + 90);
      await frames(page);
      if (await page.evaluate("gallery.bus.hover && Object.keys(gallery.bus.hover).length >= 5")) break;
    }
    const hover = await page.evaluate("gallery.bus.hover");
    assert(hover?.["pos/dst@prompt:1"] && hover["layer@model:a"], JSON.stringify(hover));
    assert.equal(await page.locator("#card0 .fig-token.hover").count(), hover["pos@prompt:1"].length);
    assert((await lit(page, "card3")) > 0, "the map of heads is not lit");
  });
  await check("a click pins, the same again unpins", async () => {
    const token = page.locator("#card0 .fig-token >> nth=3");
    await token.click();
    await frames(page);
    assert.equal(await page.locator("#card0 .fig-token.pin").count(), 1);
    await token.click();
    await frames(page);
    assert.equal(await page.locator("#card0 .fig-token.pin").count(), 0);
  });
  await check("a brush filters the table to its count, Escape clears it", async () => {
    const canvas = page.locator("#card7 .fig-top");
    await canvas.scrollIntoViewIfNeeded();
    const box = await canvas.boundingBox();
    await page.mouse.move(box.x + 120, box.y + 60);
    await page.mouse.down();
    await page.mouse.move(box.x + 260, box.y + 200, { steps: 5 });
    await page.mouse.up();
    await frames(page);
    const count = await page.evaluate('gallery.bus.filters.get("v7")["example@set:1"].length');
    assert(count > 0 && count < 2000);
    const said = await page.textContent("#card8 .fig-count");
    assert.equal(said, `${count.toLocaleString("en")} of 2,000 rows`);
    await picture(page, "brush");
    await page.mouse.move(2, 2);
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    await frames(page);
    assert.equal(await page.textContent("#card8 .fig-count"), "2,000 rows");
    return `${count} points`;
  });
  await check("the keyboard moves through a heatmap and reads the array's value", async () => {
    await page.focus("#card3 .fig-top");
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowUp");
    const said = await page.textContent("#readout");
    assert(/layer 1.*head 1/.test(said), said);
    await page.keyboard.press("Enter");
    assert.deepEqual(await page.evaluate("gallery.bus.pin"), { "head@model:a": [1], "layer@model:a": [1] });
    await picture(page, "pin", true);
    await page.keyboard.press("Enter");
    return said;
  });
  await check("a tile is enlarged and put back", async () => {
    const height = () => page.evaluate('document.querySelector("#card1 .fig-top").clientHeight');
    const before = await height();
    await page.locator("#card1 .fig-top").scrollIntoViewIfNeeded();
    const box = await page.locator("#card1 .fig-top").boundingBox();
    await page.mouse.dblclick(box.x + 100, box.y + 60);
    await frames(page);
    const grown = await height();
    await picture(page.locator("#card1 .fig-top"), "enlarged");
    await page.locator("#card1 .fig-top").focus();
    await page.keyboard.press("Escape");
    await frames(page);
    assert.notEqual(grown, before);
    assert.equal(await height(), before);
  });
  await check("every figure is exported as SVG, PNG and CSV", async () => {
    const out = await page.evaluate(async () => {
      const all = [];
      for (const handle of window.gallery.handles) {
        const svg = await handle.exportSVG();
        const well = !new DOMParser().parseFromString(svg, "image/svg+xml").querySelector("parsererror");
        const png = await handle.exportPNG();
        all.push({ svg, well, png: png.size, csv: handle.exportCSV().length });
      }
      return all;
    });
    out.forEach(({ svg, well, png, csv }, i) => {
      keep(`export-${i}.svg`, svg);
      assert(well && png > 1000 && csv > 10, `figure ${i}: ${well} ${png} ${csv}`);
    });
  });
  await check("each canvas is also a table", async () => {
    for (const button of await page.locator(".fig-as-table").all()) await button.click({ force: true });
    await frames(page);
    const empty = await page.evaluate(() => [...document.querySelectorAll(".fig-scroll")].filter((grid) => !grid.querySelector("[data-line]")).length);
    assert.equal(empty, 0);
    for (const button of await page.locator(".fig-as-table").all()) await button.click({ force: true });
  });
  await check("no serious accessibility violation", () => axe(page));
  await check("narrow page: nothing wider than the page", async () => {
    await page.setViewportSize({ width: 420, height: 800 });
    await page.waitForTimeout(400);
    assert(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "scrolls sideways");
    await picture(page, "narrow", true);
  });
  await check("no errors on the page", () => assert(problems.length === 0, problems.join(" ~ ").slice(0, 600)));
  await close();
  await choices({ open, check, frames, lit, axe, picture, keep });
}

/** The same as a part of all tests; by the word gallery alone, for a server of its own is started. */
export async function gallery(h) {
  if (!h.wants("gallery")) return;
  const { open, close } = await serveGallery(h.browser);
  try {
    await galleryChecks({ open, check: (name, run) => h.test(`gallery: ${name}`, run), shots: process.env.SHOTS });
  } finally {
    await close();
  }
}
