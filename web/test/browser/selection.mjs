// Points 7 to 12: what is hovered, pinned or brushed in one view is seen in all that share the dim, and in no other.
import assert from "node:assert/strict";
import { frames, lit, PROMPT, settled, view, workspace } from "./harness.mjs";

export const POINTS = 20_000;

/** Four clouds of points around the corners of a square, and how many are in each. */
function clouds() {
  const [x, y] = [new Float32Array(POINTS), new Float32Array(POINTS)];
  // Unequal shares, so that no two counts are alike.
  for (let i = 0; i < POINTS; i += 1) {
    const corner = i % 10 < 4 ? 0 : i % 10 < 7 ? 1 : i % 10 < 9 ? 2 : 3;
    x[i] = (corner & 1) + 0.2 * Math.sin(i * 12.9898);
    y[i] = (corner >> 1) + 0.2 * Math.cos(i * 78.233);
  }
  return { x, y };
}

/** Which of the points lie in the upper right cloud. */
export const inUpperRight = (x, y) => Array.from({ length: POINTS }, (_, i) => i).filter((i) => x.data[i] > 0.5 && y.data[i] > 0.5);

/** Two scatters, a table and a text of the same tokens of a vocabulary, in the place of four answers. */
export async function brushable(h, name) {
  const { program } = h;
  const prompt = `${name}: ${PROMPT}`;
  const { x, y } = clouds();
  const words = Array.from({ length: POINTS }, (_, i) => `w${i}`);
  const keys = [];
  for (const name of ["norms", "similarity"]) {
    const key = await program.answer(name, { prompt });
    await program.plant(key, (array) => ({ kind: "scatter", title: name, x: array(0, ["d_vocab"]), y: array(1, ["d_vocab"]), colour: { map: "sequential" } }), [x, y]);
    keys.push(key);
  }
  const table = await program.answer("logit_lens", { prompt });
  const columns = (array) => [{ name: "word", words: { dims: ["d_vocab"], shape: [POINTS], data: words } }, { name: "x", numbers: array(0, ["d_vocab"]) }];
  await program.plant(table, (array) => ({ kind: "table", rows: "d_vocab", columns: columns(array) }), [x]);
  const text = await program.answer("next_tokens", { prompt });
  const few = 2000;
  await program.plant(text, (array) => ({ kind: "tokens", tokens: { dims: ["d_vocab"], shape: [few], data: words.slice(0, few) }, values: array(0, ["d_vocab"]), colour: { map: "tint" } }), [x.slice(0, few)]);
  const views = ["norms", "similarity", "logit_lens", "next_tokens"].map((view) => ({ view }));
  await program.keepWorkspace(name, workspace(views, { prompts: [{ id: "p", text: prompt }] }));
  return { keys, few };
}

/** Drags over the upper right quarter of the first figure's canvas, and beyond it. */
export async function brushUpperRight(page, id) {
  const canvas = view(page, id).locator(".fig-top").first();
  await canvas.scrollIntoViewIfNeeded();
  const box = await canvas.boundingBox();
  await page.mouse.move(box.x + box.width * 0.55, box.y + box.height * 0.47);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.8, box.y + box.height * 0.2, { steps: 4 });
  await page.mouse.move(box.x + box.width - 2, box.y + 2, { steps: 3 });
  await page.mouse.up();
  await frames(page);
}

const painted = (page, id) => view(page, id).locator(".fig-base").first().evaluate((canvas) => canvas.toDataURL());

export async function selection(h) {
  const { program } = h;
  const linked = [{ view: "next_tokens" }, { view: "logit_lens" }, { view: "norms" }, { view: "pattern", parameters: { layer: 0 } }, { view: "sample" }];
  await program.keepWorkspace("linked", workspace(linked));
  const token = (page, i) => view(page, "v1").locator(".fig-token").nth(i);
  const pinned = (page) => page.locator("footer .muted").first().textContent();
  /** The pinned positions, a run of them written as its ends or one by one. */
  const positions = async (page) =>
    [...((await pinned(page)).match(/pos ([\d ,–-]+)/)?.[1] ?? "").matchAll(/(\d+)(?:[–-](\d+))?/g)].flatMap(([, from, to = from]) => Array.from({ length: to - from + 1 }, (_, i) => Number(from) + i));

  await h.test("7 a token that is hovered is lit in three other views", async () => {
    const page = await h.open({ hash: "ws=linked", settle: 5 });
    await page.mouse.move(2, 2);
    await frames(page);
    for (const id of ["v2", "v3", "v4"]) assert.equal(await lit(page, id), 0, `${id} is lit before`);
    await token(page, 4).hover();
    await frames(page);
    for (const id of ["v2", "v3", "v4"]) assert.ok((await lit(page, id)) > 20, `${id} is not lit`);
    assert.equal(await view(page, "v1").locator(".fig-token.hover").count(), 1);
    // Another token is another place in each of them.
    const places = async () => Promise.all(["v2", "v3", "v4"].map((id) => view(page, id).locator(".fig-top").first().evaluate((canvas) => canvas.toDataURL())));
    const before = await places();
    await token(page, 9).hover();
    await frames(page);
    (await places()).forEach((now, i) => assert.notEqual(now, before[i], `view ${i + 2} stays where it was`));
    await page.mouse.move(2, 2);
    await frames(page);
    for (const id of ["v2", "v3", "v4"]) assert.equal(await lit(page, id), 0, `${id} stays lit`);
  });

  await h.test("7 while Shift is held, the pointer changes nothing", async () => {
    const page = await h.open({ hash: "ws=linked", settle: 5 });
    await token(page, 4).hover();
    await frames(page);
    await page.keyboard.down("Shift");
    await token(page, 8).hover();
    await frames(page);
    assert.equal(await view(page, "v1").locator(".fig-token.hover").textContent(), await token(page, 4).textContent());
    await page.keyboard.up("Shift");
    await token(page, 9).hover();
    await frames(page);
    assert.equal(await view(page, "v1").locator(".fig-token.hover").textContent(), await token(page, 9).textContent());
  });

  await h.test("8 a click pins, the same again unpins; Ctrl adds, Shift extends", async () => {
    const page = await h.open({ hash: "ws=linked", settle: 5 });
    const pins = view(page, "v1").locator(".fig-token.pin");
    await token(page, 4).click();
    await frames(page);
    assert.equal(await pins.count(), 1);
    assert.deepEqual(await positions(page), [4]);
    await page.mouse.move(2, 2);
    await frames(page);
    for (const id of ["v2", "v3", "v4"]) assert.ok((await lit(page, id)) > 20, `${id} does not keep the pin`);
    await token(page, 4).click();
    await frames(page);
    assert.equal(await pins.count(), 0);
    await token(page, 2).click();
    await token(page, 7).click({ modifiers: ["Control"] });
    await frames(page);
    assert.deepEqual(await positions(page), [2, 7]);
    await token(page, 9).click({ modifiers: ["Shift"] });
    await frames(page);
    assert.deepEqual(await positions(page), [7, 8, 9]);
  });

  await h.test("9 Esc goes back one level at a time: hover, filter, pins", async () => {
    await brushable(h, "clouds");
    const page = await h.open({ hash: "ws=clouds", settle: 4 });
    await view(page, "v3").locator(".fig-row[data-line]").nth(2).click();
    await brushUpperRight(page, "v1");
    const state = async () => {
      await frames(page);
      const rows = (name) => view(page, "v3").locator(`.fig-row.${name}`).count();
      return [await rows("hover"), / of /.test(await view(page, "v3").locator(".fig-count").textContent()), await pinned(page)];
    };
    await view(page, "v3").locator(".fig-row[data-line]").nth(1).hover();
    assert.deepEqual(await state(), [1, true, "pinned: d_vocab 2"]);
    await page.keyboard.press("Escape");
    assert.deepEqual(await state(), [0, true, "pinned: d_vocab 2"]);
    await page.keyboard.press("Escape");
    assert.deepEqual(await state(), [0, false, "pinned: d_vocab 2"]);
    await page.keyboard.press("Escape");
    assert.deepEqual(await state(), [0, false, ""]);
  });

  await h.test("10 a brush leaves in every linked view just the points of the array that lie in it", async () => {
    const { keys, few } = await brushable(h, "clouds");
    const inside = inUpperRight(await program.array(keys[0], 0), await program.array(keys[0], 1));
    assert.ok(inside.length > 100 && inside.length < POINTS / 2);
    const page = await h.open({ hash: "ws=clouds", settle: 4 });
    await brushUpperRight(page, "v1");
    const grouped = inside.length.toLocaleString("en");
    assert.equal(await view(page, "v3").locator(".fig-count").textContent(), `${grouped} of 20,000 rows`);
    const first = await view(page, "v3").locator(".fig-row[data-line] .fig-cell:first-child").allTextContents();
    assert.deepEqual(first.slice(0, 5), inside.slice(0, 5).map((i) => `w${i}`));
    const left = inside.filter((i) => i < few).length;
    assert.equal(await view(page, "v4").locator(".fig-token:not(.out)").count(), left);
    await view(page, "v2").getByRole("button", { name: "Show as table" }).click();
    assert.equal(await view(page, "v2").locator(".fig-count").textContent(), `${grouped} of 20,000 rows`);
    assert.match(await page.locator("footer output").textContent(), new RegExp(`Brush over ${inside.length}`));
  });

  await h.test("11 the view that made a brush is not filtered by it", async () => {
    await brushable(h, "clouds");
    const page = await h.open({ hash: "ws=clouds", settle: 4 });
    const before = [await painted(page, "v1"), await painted(page, "v2")];
    await brushUpperRight(page, "v1");
    assert.equal(await painted(page, "v1"), before[0], "the brush fades its own view");
    assert.notEqual(await painted(page, "v2"), before[1], "the brush does not fade the other");
    await view(page, "v1").getByRole("button", { name: "Show as table" }).click();
    assert.equal(await view(page, "v1").locator(".fig-count").textContent(), "20,000 rows");
  });

  await h.test("13 a brush that was saved with its workspace filters again", async () => {
    await brushable(h, "clouds");
    const page = await h.open({ hash: "ws=clouds", settle: 4 });
    await brushUpperRight(page, "v1");
    const count = await view(page, "v3").locator(".fig-count").textContent();
    assert.match(count, / of /);
    const faded = await painted(page, "v2");
    await page.keyboard.press("Control+s");
    await page.getByText("Saved as clouds").waitFor();
    await page.reload();
    await settled(page, 4);
    await frames(page);
    assert.equal(await view(page, "v3").locator(".fig-count").textContent(), count);
    assert.equal(await painted(page, "v2"), faded);
    // Once the brush is gone, nothing stays faded.
    await page.keyboard.press("Escape");
    await frames(page);
    assert.equal(await view(page, "v3").locator(".fig-count").textContent(), "20,000 rows");
    assert.notEqual(await painted(page, "v2"), faded);
  });

  await h.test("12 the same index in another prompt or another model is not lit", async () => {
    const prompts = [{ id: "p", text: PROMPT }, { id: "q", text: "I have the honor to transmit to the Senate a treaty between the" }, { id: "t", tokens: [3, 5, 7, 5, 3, 7, 1] }];
    const models = [{ id: "a", reference: "zoo:talk" }, { id: "b", reference: "zoo:induction" }];
    const views = [
      { view: "next_tokens" },
      { view: "logit_lens" },
      { view: "next_tokens", prompt: "q" },
      { view: "norms", prompt: "q" },
      { view: "pattern", parameters: { layer: 0 } },
      { view: "pattern", prompt: "q", parameters: { layer: 0 } },
      { view: "pattern", model: "b", prompt: "t", parameters: { layer: 0 } },
      { view: "norms", model: "b", prompt: "t" },
    ];
    await program.keepWorkspace("spaces", workspace(views, { models, prompts }));
    const page = await h.open({ hash: "ws=spaces", settle: 8 });
    await token(page, 4).hover();
    await frames(page);
    for (const id of ["v2", "v5"]) assert.ok((await lit(page, id)) > 0, `${id} shares the prompt`);
    for (const id of ["v3", "v4", "v6", "v7", "v8"]) assert.equal(await lit(page, id), 0, `${id} has another prompt`);
    const head = view(page, "v5").locator(".fig-row[data-line]").nth(1);
    await head.scrollIntoViewIfNeeded();
    await head.hover();
    await frames(page);
    assert.ok((await lit(page, "v6")) > 0, "the head is the same on another prompt");
    for (const id of ["v7", "v8"]) assert.equal(await lit(page, id), 0, `${id} has another model`);
    await settled(page, 8);
  });
}
