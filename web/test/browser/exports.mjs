// Point 26: every figure leaves the page as a picture, as numbers, and as one file that needs nothing else.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { PROMPT, view, workspace } from "./harness.mjs";

/** Among them tokens, tables, maps, stacks of maps, curves and bars. */
const VIEWS = ["next_tokens", "logit_lens", "norms", "pattern", "direct_logit"];

async function download(page, press) {
  const coming = page.waitForEvent("download");
  await press();
  const found = await coming;
  const file = path.join(path.dirname(await found.path()), found.suggestedFilename());
  await found.saveAs(file);
  return { file, bytes: await readFile(file) };
}

export async function exports(h) {
  const { program } = h;

  await h.test("26 the page writes SVG, PNG and CSV of every view", async () => {
    await program.keepWorkspace("exports", workspace(VIEWS.map((name) => ({ view: name }))));
    const page = await h.open({ hash: "ws=exports", settle: VIEWS.length });
    for (const [i, name] of VIEWS.entries()) {
      const menu = view(page, `v${i + 1}`).getByRole("button", { name: /^Export/ });
      const take = async (form) => {
        await menu.click();
        return download(page, () => view(page, `v${i + 1}`).getByRole("button", { name: form, exact: true }).click());
      };
      const svg = (await take("SVG")).bytes.toString();
      const wrong = await page.evaluate((text) => new DOMParser().parseFromString(text, "image/svg+xml").querySelector("parsererror")?.textContent, svg);
      assert.equal(wrong, undefined, `${name}.svg`);
      assert.ok(!/<script|\son\w+=|https?:\/\/(?!www\.w3\.org)/i.test(svg), `${name}.svg holds more than a picture`);
      const png = (await take("PNG")).bytes;
      assert.deepEqual([...png.subarray(0, 8)], [137, 80, 78, 71, 13, 10, 26, 10]);
      assert.ok(png.readUInt32BE(16) >= 360 && png.length > 2000, `${name}.png is ${png.readUInt32BE(16)} wide, ${png.length} long`);
      const csv = (await take("CSV")).bytes.toString();
      assert.ok(csv.split("\r\n").length > 5, `${name}.csv: ${csv.slice(0, 80)}`);
    }
  });

  await h.test("26 the numbers of a CSV are those of the array", async () => {
    await program.keepWorkspace("csv", workspace([{ view: "pattern", parameters: { layer: 1, head: 2 } }]));
    const page = await h.open({ hash: "ws=csv", settle: 1 });
    const { pattern } = await program.numbers("pattern", { prompt: PROMPT, layer: 1, head: 2 });
    await view(page, "v1").getByRole("button", { name: /^Export/ }).click();
    const { bytes } = await download(page, () => view(page, "v1").getByRole("button", { name: "CSV", exact: true }).click());
    const [head, ...lines] = bytes.toString().trim().split("\r\n");
    const at = head.split(",").indexOf("attention");
    assert.ok(at > 0, head);
    assert.equal(lines.length, pattern.data.length);
    // Names of tokens may have commas of their own, quoted; the value stands behind them.
    const fields = (line) => [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].map((m) => m[1]);
    lines.forEach((line, i) => assert.equal(Math.fround(Number(fields(line)[at])), Math.fround(pattern.data[i]), line));
  });

  await h.test("26 the program writes every form, and its HTML works from a file, offline", async () => {
    await program.keepWorkspace("exports", workspace(VIEWS.map((name) => ({ view: name }))));
    const page = await h.open({ hash: "ws=exports", settle: VIEWS.length });
    const context = await h.browser.newContext({ offline: true, acceptDownloads: true });
    for (const [i, name] of VIEWS.entries()) {
      const take = async (form) => {
        await view(page, `v${i + 1}`).getByRole("button", { name: /^Export/ }).click();
        const found = await download(page, () => view(page, `v${i + 1}`).getByRole("link", { name: form, exact: true }).click());
        await page.keyboard.press("Escape");
        return found;
      };
      // By the menu of one, for the others have the same.
      if (i === 0) for (const form of ["SVG", "PNG", "CSV", "TXT", "JSON"]) assert.ok((await take(form)).bytes.length > 20, `${name}, ${form}`);
      const { file } = await take("HTML");
      const alone = await context.newPage();
      const noise = [];
      alone.on("console", (m) => m.type() === "error" && noise.push(m.text()));
      alone.on("pageerror", (e) => noise.push(String(e)));
      alone.on("request", (r) => !/^(file|data):/.test(r.url()) && noise.push(r.url()));
      await alone.goto(pathToFileURL(file).href);
      assert.deepEqual(noise, [], name);
      const seen = await alone.evaluate(() => ({ text: document.body.innerText.length, wide: document.documentElement.scrollWidth, pictures: [...document.querySelectorAll("svg, img, canvas, table, pre")].filter((el) => el.getBoundingClientRect().width > 100).length }));
      assert.ok(seen.text > 30 && seen.pictures > 0, `${name}: ${JSON.stringify(seen)}`);
      await alone.close();
    }
  });
}
