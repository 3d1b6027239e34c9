// Points 18 to 22 and 27: what the page tells is the number, and its colours say what they mean.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { BINARY, frames, PROMPT, readout, SMOLLM2, view, workspace } from "./harness.mjs";

const LONG = `${PROMPT} Union is strong, and my fellow citizens of the Senate and of the House have the honor to be here, and to be strong`;
const run = promisify(execFile);

/** The words of a readout such as "attention 0.25, head 1, destination: looks ·of (3)  ·  source: looked at ·the (1)". */
const told = (text) => ({ value: Number(/(-?[\d.]+(?:e-?\d+)?|NaN)(?:,|$)/.exec(text)?.[1] ?? NaN), at: [...text.matchAll(/\((\d+)\)/g)].map((m) => Number(m[1])) });

const tip = (page) => page.evaluate(() => {
  const box = document.querySelector(".fig-tip:not([hidden])");
  return box ? [...box.children].map((el) => el.textContent).join(", ") : "";
});

/** The colours of a canvas's base layer in a square of the window. */
const colours = (canvas, { x, y }, size = 1) =>
  canvas.evaluate(
    (el, [x, y, size]) => {
      const box = el.getBoundingClientRect();
      const scale = el.width / box.width;
      const { data } = el.getContext("2d").getImageData((x - box.left) * scale, (y - box.top) * scale, size * scale, size * scale);
      return [...new Set(Array.from({ length: data.length / 4 }, (_, i) => data.slice(i * 4, i * 4 + 3).join()))];
    },
    [x, y, size],
  );

/** Where the cells of a map are: the first point of a lattice over its canvas at which the tip tells of each. */
async function cells(page, id, step = 4) {
  const canvas = view(page, id).locator(".fig-top").first();
  await canvas.scrollIntoViewIfNeeded();
  return canvas.evaluate((el, step) => {
    const box = el.getBoundingClientRect();
    const found = new Map();
    for (let y = box.top + 1; y < Math.min(box.bottom, innerHeight); y += step) {
      for (let x = box.left + 1; x < box.right; x += step) {
        el.dispatchEvent(new PointerEvent("pointermove", { clientX: x, clientY: y, bubbles: true }));
        const tip = document.querySelector(".fig-tip:not([hidden])");
        const text = tip ? [...tip.children].map((line) => line.textContent).join(", ") : "";
        if (text && !found.has(text)) found.set(text, { x, y, text });
      }
    }
    el.dispatchEvent(new PointerEvent("pointerleave"));
    return [...found.values()];
  }, step).then((all) => all.map((cell) => ({ ...cell, at: told(cell.text).at })));
}

/** Chooses how a figure is drawn, in the row of choices above it. */
async function choose(page, id, group, choice) {
  await view(page, id).getByRole("radiogroup", { name: group, exact: true }).first().getByRole("radio", { name: new RegExp(`^${choice}`) }).check();
  await page.mouse.move(2, 2);
  await frames(page);
}

const flat = (values) => (values.data ?? []).map((v) => (typeof v === "number" ? v : NaN));

export async function numbers(h) {
  const { program } = h;

  await h.test("18 the readout is the value of the array, by keys and by pointer", async () => {
    await program.keepWorkspace("readout", workspace([{ view: "pattern", parameters: { layer: 1 }, place: { x: 0, y: 0, w: 12, h: 14 } }], { prompts: [{ id: "p", text: LONG }] }));
    const page = await h.open({ hash: "ws=readout", settle: 1 });
    const { key } = page.asked.at(-1);
    const { figure } = await program.ask("GET", `/api/artifacts/${key}`);
    const { ref } = figure.figures[0].values;
    const { data, shape, dims } = await program.array(key, Number(ref.split("/").at(-1)));
    assert.deepEqual(dims, ["head", "pos/dst", "pos/src"]);
    const value = (head, dst, src) => data[(head * shape[1] + dst) * shape[2] + src];
    await view(page, "v1").locator(".fig-top").first().focus();
    await page.keyboard.press("Home");
    for (const [down, right] of [[0, 0], [7, 3], [2, 6], [9, 0]]) {
      for (let i = 0; i < down; i += 1) await page.keyboard.press("ArrowDown");
      for (let i = 0; i < right; i += 1) await page.keyboard.press("ArrowRight");
      const { value: said, at } = told(await readout(page));
      assert.equal(Math.fround(said), value(0, ...at), await readout(page));
    }
    const canvas = await view(page, "v1").locator(".fig-top").first().boundingBox();
    let seen = 0;
    for (let i = 0; i < 40; i += 1) {
      await page.mouse.move(canvas.x + canvas.width * ((i * 0.618) % 1), canvas.y + canvas.height * ((i * 0.414) % 1));
      const text = await tip(page);
      const head = /head (\d+)/.exec(text);
      if (!head) continue;
      seen += 1;
      const { value: said, at } = told(text);
      assert.equal(Math.fround(said), value(Number(head[1]), ...at), text);
    }
    assert.ok(seen >= 8, `only ${seen} cells were met`);
  });

  await h.test("19 an attention map tells its directions, and what is masked is no zero", async () => {
    const prompt = `mask: ${PROMPT}`;
    const key = await program.answer("pattern", { prompt, layer: 2, head: 1 });
    const guide = (label) => ({ label, ticks: Array.from({ length: 6 }, (_, i) => `t${i}`) });
    const figure = (array) => ({ kind: "heatmap", values: array(0, ["pos/dst", "pos/src"], [6, 6]), colour: { map: "tint", label: "attention", domain: [0, 1] }, x: guide("source"), y: guide("destination"), panels: {}, causal: true });
    await program.plant(key, figure, [new Float32Array(36)]);
    const views = [{ view: "pattern", parameters: { layer: 2, head: 1 } }, { view: "pattern", parameters: { layer: 0, head: 0 } }];
    await program.keepWorkspace("mask", workspace(views, { prompts: [{ id: "p", text: prompt }] }));
    const page = await h.open({ hash: "ws=mask", settle: 2 });
    // The real one names both, to the eye and to a reader of screens.
    const summary = await view(page, "v2").locator(".fig-top").first().getAttribute("aria-label");
    assert.match(summary, /rows \(destination: looks\) by \d+ columns \(source: looked at\)/);
    const found = await cells(page, "v1");
    const at = (dst, src) => found.find(({ text }) => text.includes(`destination t${dst} `) && text.includes(`source t${src} `));
    for (let i = 0; i < 6; i += 1) assert.ok(at(i, i), `cell ${i}, ${i} is not to be found`);
    assert.ok(!at(1, 4), "a masked cell has a readout");
    const base = view(page, "v1").locator(".fig-base").first();
    const zero = await colours(base, at(4, 1));
    const masked = await colours(base, { x: at(4, 4).x, y: at(1, 1).y });
    assert.notDeepEqual(masked, zero);
  });

  await h.test("19 the first token can be left out of an attention map", async () => {
    await program.keepWorkspace("bos", workspace([{ view: "pattern", parameters: { layer: 0, head: 0 }, place: { x: 0, y: 0, w: 12, h: 14 } }]));
    const page = await h.open({ hash: "ws=bos", settle: 1 });
    const base = view(page, "v1").locator(".fig-base").first();
    const before = await base.evaluate((canvas) => canvas.toDataURL());
    await choose(page, "v1", "first token", "left out");
    assert.notEqual(await base.evaluate((canvas) => canvas.toDataURL()), before);
    const first = (await cells(page, "v1")).filter(({ at }) => at[1] === 0);
    assert.ok(first.length > 5 && first.every(({ text }) => /left out/.test(text)), "the readout does not say that it is left out");
    await choose(page, "v1", "first token", "shown");
    assert.equal(await base.evaluate((canvas) => canvas.toDataURL()), before);
  });

  await h.test("20 in a diverging map zero is neutral, light and dark, and its limits are symmetric", async () => {
    const prompt = `zero: ${PROMPT}`;
    const key = await program.answer("similarity", { prompt });
    const figure = (array) => ({ kind: "heatmap", values: array(0, ["layer", "head"], [3, 3]), colour: { map: "diverging", label: "effect" }, x: {}, y: {}, panels: {} });
    await program.plant(key, figure, [Float32Array.from([0, 1, 2, -0.5, 0, 0.5, -1, 3, 0])]);
    await program.keepWorkspace("zero", workspace([{ view: "similarity" }], { prompts: [{ id: "p", text: prompt }] }));
    for (const colorScheme of ["light", "dark"]) {
      const page = await h.open({ hash: "ws=zero", settle: 1, colorScheme });
      const summary = await view(page, "v1").locator(".fig-top").first().getAttribute("aria-label");
      assert.match(summary, /from −3 to 3/);
      const canvas = view(page, "v1").locator(".fig-base").first();
      const shades = await canvas.evaluate((el) => {
        const { data } = el.getContext("2d").getImageData(0, 0, el.width, el.height);
        const counts = new Map();
        for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) counts.set(data.slice(i, i + 3).join(), (counts.get(data.slice(i, i + 3).join()) ?? 0) + 1);
        return [...counts].sort((a, b) => b[1] - a[1]).slice(0, 3).map(([rgb]) => rgb.split(",").map(Number));
      });
      // Three cells of nine are zero, so theirs is the commonest colour.
      const [red, green, blue] = shades[0];
      assert.ok(Math.max(red, green, blue) - Math.min(red, green, blue) <= 16, `${colorScheme}: zero is ${shades[0]}`);
      assert.ok(colorScheme === "light" ? red > 230 : red < 60, `${colorScheme}: zero is ${shades[0]}`);
    }
  });

  await h.test("21 the limits of a legend are those of the data", async () => {
    await program.keepWorkspace("limits", workspace([{ view: "norms" }, { view: "next_tokens" }]));
    const page = await h.open({ hash: "ws=limits", settle: 2 });
    const short = (x) => String(Number(x.toPrecision(3))).replace("-", "−");
    const { resid } = await program.numbers("norms", { prompt: PROMPT });
    const logs = flat(resid).map((norm) => Math.log10(norm));
    const summary = await view(page, "v1").locator(".fig-top").first().getAttribute("aria-label");
    assert.ok(summary.includes(`from ${short(Math.min(...logs))} to ${short(Math.max(...logs))}`), summary);
    const { actual_logprob } = await program.numbers("next_tokens", { prompt: PROMPT });
    const surprise = flat(actual_logprob).filter(Number.isFinite).map((x) => -x);
    const legend = await view(page, "v2").locator(".fig-scale").getAttribute("aria-label");
    assert.equal(legend, `Colour scale from 0 to ${short(Math.max(...surprise))}`, "a tint begins at zero");
  });

  await h.test("21 panels are shown on one scale, or each on its own", async () => {
    const prompt = `scales: ${PROMPT}`;
    const key = await program.answer("pattern", { prompt, layer: 0 });
    // The second panel is the first a hundred times over.
    const values = Float32Array.from({ length: 18 }, (_, i) => ((i % 9) + 1) * (i < 9 ? 1 : 100));
    const figure = (array) => ({ kind: "heatmap", values: array(0, ["head", "layer", "row"], [2, 3, 3]), colour: { map: "tint", label: "size" }, x: {}, y: {}, panels: {} });
    await program.plant(key, figure, [values]);
    await program.keepWorkspace("scales", workspace([{ view: "pattern", parameters: { layer: 0 } }], { prompts: [{ id: "p", text: prompt }] }));
    const page = await h.open({ hash: "ws=scales", settle: 1 });
    const base = view(page, "v1").locator(".fig-base").first();
    const colourOf = async (value) => (await colours(base, (await cells(page, "v1")).find(({ text }) => told(text).value === value)))[0];
    assert.notEqual(await colourOf(9), await colourOf(900), "on one scale a hundredth is paler");
    await choose(page, "v1", "scale", "own");
    assert.equal(await colourOf(9), await colourOf(900), "on its own scale the largest of each is alike");
    await choose(page, "v1", "scale", "shared");
    assert.notEqual(await colourOf(9), await colourOf(900));
  });

  await h.test("22 what is no number is hatched, counted and told", async () => {
    const text = "The quick brown fox";
    const { duplicate_token } = await program.numbers("pattern", { prompt: text });
    const missing = flat(duplicate_token).filter(Number.isNaN).length;
    assert.ok(missing > 0, "no token occurs twice, so the score has no value");
    await program.keepWorkspace("nan", workspace([{ view: "pattern" }], { prompts: [{ id: "p", text }] }));
    const page = await h.open({ hash: "ws=nan", settle: 1 });
    const canvas = view(page, "v1").locator(".fig-top").first();
    assert.match(await canvas.getAttribute("aria-label"), new RegExp(`; ${missing} not a number`));
    const found = await cells(page, "v1");
    const base = view(page, "v1").locator(".fig-base").first();
    const shades = async (kind) => colours(base, found.find(({ text }) => text.includes(kind)), 12);
    assert.equal((await shades("previous token")).length, 1, "a number has one colour");
    assert.ok((await shades("duplicate token")).length > 1, "what is missing is not hatched");
    await canvas.focus();
    await page.keyboard.press("Home");
    const said = new Set();
    for (let i = 0; i < 60; i += 1) {
      said.add(/duplicate token/.test(await readout(page)) && /NaN/.test(await readout(page)));
      await page.keyboard.press("ArrowRight");
    }
    assert.ok(said.has(true), "the readout never says NaN");
  });

  const sameEverywhere = async (model, views, prompt) => {
    await program.keepWorkspace("same", workspace(views.map((name) => ({ view: name })), { model, prompts: [{ id: "p", text: prompt }] }));
    const page = await h.open({ hash: "ws=same", settle: views.length });
    for (const [i, name] of views.entries()) {
      const { key } = page.asked.findLast((asked) => asked.view === name);
      const served = await program.ask("GET", `/api/artifacts/${key}/export.json`);
      const { stdout } = await run(BINARY, ["view", name, model, "--prompt", prompt, "--json"], { cwd: program.place, maxBuffer: 1 << 28 });
      assert.deepEqual(JSON.parse(stdout), served, `${name}: the command line and the server differ`);
      if (name === "next_tokens") {
        await view(page, `v${i + 1}`).locator(".fig-scroll").focus();
        for (const pos of served.entropy.data.keys()) {
          await page.keyboard.press("ArrowDown");
          const said = /entropy ([^,]+),/.exec(await readout(page))[1];
          assert.equal(Math.fround(Number(said)), Math.fround(served.entropy.data[pos]), `entropy at ${pos}`);
        }
      }
      if (name === "logit_lens") {
        const canvas = view(page, `v${i + 1}`).locator(".fig-top").first();
        await canvas.focus();
        await page.keyboard.press("End");
        const last = served.top_probs.data.at(-served.top_probs.shape.at(-1));
        assert.equal(Math.fround(told(await readout(page)).value), Math.fround(last), await readout(page));
      }
    }
  };

  await h.test("27 command line, server and page tell the same numbers", () => sameEverywhere("zoo:talk", ["next_tokens", "logit_lens", "norms", "pattern", "direct_logit", "similarity", "detect", "head_sources"], "My fellow citizens, the state of the Union"));

  await h.testOnSmolLM2("27 command line, server and page tell the same numbers of SmolLM2", () => sameEverywhere(SMOLLM2, ["next_tokens", "logit_lens", "norms"], "When Mary and John went to the store, John gave a drink to"));
}
