// Figures with a choice inside: the heads of an attention map drawn as text, and the neurons of a text.
import assert from "node:assert/strict";
import { axe, frames, PROMPT, readout, until, view, workspace } from "./harness.mjs";

const WIDE = { x: 0, y: 0, w: 12, h: 16 };
const radio = (page, group, choice) => view(page, "v1").getByRole("radiogroup", { name: group, exact: true }).first().getByRole("radio", { name: new RegExp(`^${choice}`) });
const says = (page) => view(page, "v1").locator(".fig-says").textContent();
/** The colours of the tokens, empty where they have none. */
const grounds = (page) => view(page, "v1").locator(".fig-token").evaluateAll((all) => all.map((el) => (el.classList.contains("masked") ? "masked" : el.style.background)));

export async function attention(h) {
  const { program } = h;

  await h.test("attention as text: from a token and to it, one head or two", async () => {
    await program.keepWorkspace("as text", workspace([{ view: "pattern", parameters: { layer: 1 }, place: WIDE }]));
    const page = await h.open({ hash: "ws=as text", settle: 1 });
    const { pattern } = await program.numbers("pattern", { prompt: PROMPT, layer: 1 });
    const n = pattern.shape.at(-1);
    const value = (head, dst, src) => pattern.data[(head * n + dst) * n + src];
    await radio(page, "as", "text").check();
    const token = (i) => view(page, "v1").locator(".fig-token").nth(i);
    await token(6).hover();
    await frames(page);
    assert.match(await says(page), /How much .*\(6\) looks at each token/);
    const from = await grounds(page);
    assert.deepEqual(from.map((colour) => colour === "masked"), Array.from({ length: n }, (_, i) => i > 6), "what comes later cannot be looked at");
    // The token that is looked at most is named first, with its value.
    const row = Array.from({ length: 7 }, (_, src) => value(0, 6, src));
    const tip = await page.locator(".fig-tip").textContent();
    assert.ok(tip.includes(`looks most at`) && tip.includes(String(Number(Math.max(...row).toPrecision(3)))), `${tip}; ${row}`);
    await radio(page, "attention", "to").check();
    await token(6).hover();
    await frames(page);
    assert.match(await says(page), /How much each token looks at .*\(6\)/);
    assert.deepEqual((await grounds(page)).map((colour) => colour === "masked"), Array.from({ length: n }, (_, i) => i < 6));
    await radio(page, "attention", "from").check();
    // Two heads, by the pointer.
    const head = (i) => view(page, "v1").locator(`[data-panel="${i}"]`);
    await head(2).click();
    await head(3).click({ modifiers: ["Control"] });
    await token(6).hover();
    await frames(page);
    assert.deepEqual(await view(page, "v1").locator(".fig-hue").allTextContents(), ["head 2", "head 3"]);
    assert.notDeepEqual(await grounds(page), from);
    assert.equal(await view(page, "v1").locator("[role=option][aria-selected=true]").count(), 2);
    await axe(page, "attention as text");
    // And by keys.
    await view(page, "v1").locator(".fig-heads").focus();
    await page.keyboard.press("Home");
    await page.keyboard.press("Enter");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Control+Enter");
    await frames(page);
    assert.deepEqual(await view(page, "v1").locator(".fig-hue").allTextContents(), ["head 0", "head 1"]);
    // Choices are part of the workspace.
    await page.keyboard.press("Control+s");
    await page.getByText("Saved as as text").waitFor();
    const other = await h.open({ hash: "ws=as text", settle: 1 });
    assert.deepEqual(await view(other, "v1").locator(".fig-hue").allTextContents(), ["head 0", "head 1"]);
  });

  await h.test("attention as text over 600 tokens is exact, though its map is pooled", async () => {
    // More numbers than the page draws one by one.
    const [heads, n] = [24, 600];
    const known = (head, dst, src) => (src > dst ? 0 : ((dst * 31 + src * 17 + head * 7) % 1000) / 1000);
    const prompt = `long: ${PROMPT}`;
    const key = await program.answer("pattern", { prompt, layer: 0 });
    const guide = (label) => ({ label, ticks: Array.from({ length: n }, (_, i) => ` w${i}`) });
    const values = Float32Array.from({ length: heads * n * n }, (_, i) => known(Math.floor(i / (n * n)), Math.floor(i / n) % n, i % n));
    const figure = (array) => ({ kind: "heatmap", values: array(0, ["head", "pos/dst", "pos/src"], [heads, n, n]), colour: { map: "tint", label: "attention", domain: [0, 1] }, x: guide("source"), y: guide("destination"), panels: {}, causal: true });
    await program.plant(key, figure, [values]);
    await program.keepWorkspace("long text", workspace([{ view: "pattern", parameters: { layer: 0 }, place: WIDE }], { prompts: [{ id: "p", text: prompt }] }));
    const page = await h.open({ hash: "ws=long text", settle: 1 });
    assert.match(await view(page, "v1").locator(".fig-top").first().getAttribute("aria-label"), /largest of each/);
    await radio(page, "as", "text").check();
    const tokens = view(page, "v1").locator(".fig-token");
    assert.equal(await tokens.count(), n);
    await view(page, "v1").locator('[data-panel="1"]').click();
    const body = view(page, "v1").locator(".fig-tokens");
    await body.focus();
    await page.keyboard.press("End");
    // The strongest as the array has it, once its head is here; what is told is told anew with each key.
    const best = Array.from({ length: n }, (_, src) => ({ src, value: known(1, n - 1, src) })).sort((a, b) => b.value - a.value)[0];
    await until("whole numbers of the head", async () => {
      for (const key of ["ArrowLeft", "End"]) await page.keyboard.press(key);
      await frames(page);
      return !(await readout(page)).includes("pooled");
    });
    const said = await readout(page);
    assert.match(said, /w599 \(599\)/);
    assert.ok(said.includes(String(Number(Math.fround(best.value).toPrecision(3)))), `${said}; ${JSON.stringify(best)}`);
    assert.match(said, new RegExp(`looks most at ·?w${best.src} `));
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => /599/.test(document.querySelector("footer .muted").textContent));
  });

  await h.test("neurons of a text are chosen by mouse, by keys and by the pin", async () => {
    const shown = async (page) => view(page, "v1").locator(".fig-tokens").getAttribute("aria-label");
    await program.keepWorkspace("neurons", workspace([{ view: "activations", parameters: { layer: 1 }, place: WIDE }, { view: "activations", parameters: { layer: 1, k: 40 }, place: { ...WIDE, y: 16 } }]));
    const page = await h.open({ hash: "ws=neurons", settle: 2 });
    const { neurons, activations } = await program.numbers("activations", { prompt: PROMPT, layer: 1 });
    const choices = view(page, "v1").locator(".fig-picker input");
    assert.equal(await choices.count(), neurons.data.length);
    const told = async () => Number(/neuron (?:\d+\.)?(\d+)/.exec(await shown(page))[1]);
    assert.equal(await told(), neurons.data[0]);
    await choices.nth(2).check();
    assert.equal(await told(), neurons.data[2]);
    await page.keyboard.press("ArrowRight");
    assert.equal(await told(), neurons.data[3]);
    // The text tells the value of the one that is chosen.
    const body = view(page, "v1").locator(".fig-tokens");
    await body.focus();
    await page.keyboard.press("End");
    const n = activations.shape.at(-1);
    const value = activations.data[3 * n + n - 1];
    assert.equal(Math.fround(/activation (-?[\d.e-]+)/.exec(await readout(page))[1]), Math.fround(value), await readout(page));
    // A pin of a neuron anywhere chooses it everywhere, among few and among many.
    const canvas = view(page, "v1").locator(".fig-top").first();
    await canvas.focus();
    await page.keyboard.press("Home");
    for (let i = 0; i < 5; i += 1) await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await frames(page);
    const [, pin] = /neuron (\d+)/.exec(await page.locator("footer .muted").first().textContent());
    assert.notEqual(Number(pin), neurons.data[3]);
    assert.equal(await told(), Number(pin));
    const many = view(page, "v2");
    assert.match(await many.locator(".fig-tokens").getAttribute("aria-label"), new RegExp(`neuron (\\d+\\.)?${pin}\\b`));
    // Among many it is found by typing.
    const wanted = neurons.data.find((neuron) => neuron >= 100 && neuron !== Number(pin));
    const search = many.locator(".fig-search");
    await search.fill(String(wanted));
    await search.press("Enter");
    assert.match(await many.locator(".fig-tokens").getAttribute("aria-label"), new RegExp(`neuron (\\d+\\.)?${wanted}\\b`));
    await axe(page, "neurons of a text");
  });
}
