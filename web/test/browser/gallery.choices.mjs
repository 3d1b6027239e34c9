// Ways of drawing that a reader chooses, attention as text, series of tokens, pooled arrays, compared places: in the gallery.
import assert from "node:assert/strict";

export async function choices({ open, check, frames, lit, axe, picture, keep }) {
  const { page, problems, close } = await open("");
  const choose = async (card, key, value) => {
    const input = page.locator(`#${card} input[data-key="${key}"][value="${value}"]`).first();
    await input.check({ force: true });
    await frames(page);
  };
  const label = (card) => page.getAttribute(`#${card} .fig-top`, "aria-label");
  const readout = () => page.textContent("#readout");
  const read = async (card, keys) => {
    await page.focus(`#${card} .fig-top`);
    for (const key of ["Home", ...keys]) await page.keyboard.press(key);
    return readout();
  };

  await check("controls are there only where they apply", async () => {
    const keys = (card) => page.evaluate((id) => [...new Set([...document.querySelectorAll(`#${id} .fig-tools input`)].map((input) => input.dataset.key))].join(), card);
    assert.equal(await keys("card1"), "as,scale,values,first");
    assert.equal(await keys("card3"), "values,sign");
    assert.equal(await keys("card18"), "scale,values,sign,first");
    assert.equal(await keys("card0"), "values");
    assert.equal(await keys("card14"), "scale,values,sign,first");
    for (const card of ["card4", "card5", "card8", "card9", "card12"]) assert.equal(await keys(card), "", card);
  });
  await check("legend limits equal data limits, shared and own", async () => {
    const most = await page.evaluate(() => {
      const { data, shape } = window.gallery.figures[18].values;
      const half = data.length / shape[0];
      const reach = (from, to) => Math.max(...data.slice(from, to).map(Math.abs));
      const kept = data.filter((_, i) => i % shape[2] > 0);
      return { all: reach(0, data.length), first: reach(0, half), kept: Math.max(...kept.map(Math.abs)) };
    });
    const told = async () => Number(/to ([\d.]+)/.exec(await label("card18"))?.[1]);
    assert.equal(await told(), Number(most.all.toPrecision(3)));
    await choose("card18", "first", "out");
    assert.equal(await told(), Number(most.kept.toPrecision(3)));
    assert(/first token left out/.test(await label("card18")));
    assert(/left out of the colours/.test(await read("card18", [])));
    await choose("card18", "first", "shown");
    await choose("card18", "scale", "own");
    assert(/scale of its own/.test(await label("card18")));
    assert((await read("card18", [])).includes(`to ${most.first.toPrecision(3)}`), await readout());
    await picture(page.locator("#card18"), "own");
    assert.deepEqual(await page.evaluate("Object.fromEntries(gallery.options[18])"), { first: "shown", scale: "own" });
  });
  await check("a choice outlives a new answer", async () => {
    await page.evaluate("gallery.handles[18].update(gallery.figures[18])");
    await frames(page);
    assert(/scale of its own/.test(await label("card18")));
    await choose("card18", "scale", "shared");
  });
  await check("clip says how many are outside, arcsinh and signs draw", async () => {
    const outside = await page.evaluate(() => {
      const sizes = [...window.gallery.figures[3].values.data].map(Math.abs).sort((a, b) => a - b);
      const reach = sizes[sizes.length - 1 - Math.floor(sizes.length / 100)];
      return sizes.filter((x) => x > reach).length;
    });
    await choose("card3", "values", "clip");
    assert((await label("card3")).includes(`${outside} outside the limits`), await label("card3"));
    const svg = await page.evaluate("gallery.handles[3].exportSVG()");
    assert(svg.includes(`${outside} outside`));
    await picture(page.locator("#card3"), "clip");
    await choose("card3", "values", "arcsinh");
    await choose("card3", "sign", "plus");
    await picture(page.locator("#card3"), "plus");
    await choose("card3", "sign", "both");
    await choose("card3", "values", "linear");
  });

  await check("attention as text: hovering a token colours what it looks at", async () => {
    await choose("card1", "as", "text");
    await choose("card1", "first", "out");
    await page.locator("#card1 .fig-token >> nth=7").hover();
    await frames(page);
    const kinds = await page.evaluate(() => [...document.querySelectorAll("#card1 .fig-token")].map((span) => (span.classList.contains("left") ? "left" : span.classList.contains("masked") ? "masked" : span.style.background ? "on" : "off")));
    assert.deepEqual(kinds, ["left", ...Array(7).fill("on"), ...Array(6).fill("masked")]);
    assert.deepEqual(await page.evaluate("gallery.bus.hover"), { "pos/dst@prompt:1": [7], "pos@prompt:1": [7] });
    assert.match(await page.textContent("#card1 .fig-says"), /looks at each token/);
    await choose("card1", "direction", "to");
    await page.locator("#card1 .fig-token >> nth=7").hover();
    await frames(page);
    const masked = await page.locator("#card1 .fig-token.masked").count();
    assert.equal(masked, 7);
    assert.match(await page.textContent("#card1 .fig-says"), /each token looks at/);
    await choose("card1", "direction", "from");
    await choose("card1", "first", "shown");
  });
  await check("hovering a head previews it, a click locks it, two have hues", async () => {
    await page.locator('#card1 [data-panel="5"]').hover();
    await frames(page);
    assert.match(await page.textContent("#card1 .fig-says"), /layer 1 head 1/);
    await page.locator('#card1 [data-panel="5"]').click();
    await page.locator('#card1 [data-panel="2"]').click({ modifiers: ["Control"] });
    await page.locator("#card1 .fig-token >> nth=9").hover();
    await frames(page);
    assert.deepEqual(await page.locator("#card1 .fig-hue").allTextContents(), ["layer 1 head 1", "layer 0 head 2"]);
    assert.deepEqual(await page.evaluate('gallery.options[1].get("heads")'), [5, 2]);
    await picture(page.locator("#card1"), "text");
    const svg = await page.evaluate("gallery.handles[1].exportSVG()");
    assert(svg.includes("layer 0 head 2") && svg.includes("textLength"));
    keep("export-text.svg", svg);
    await page.emulateMedia({ colorScheme: "dark" });
    await page.waitForTimeout(200);
    await picture(page.locator("#card1"), "text-dark");
    await page.emulateMedia({ colorScheme: "light" });
    await page.focus("#card1 .fig-heads");
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    assert.deepEqual(await page.evaluate('gallery.options[1].get("heads")'), [4]);
    await page.keyboard.press("Enter");
    await choose("card1", "as", "map");
    assert.equal(await page.locator("#card1 .fig-top").count(), 1);
  });
  await check("attention as text reads by keyboard, and its tokens pin", async () => {
    await choose("card1", "as", "text");
    await page.focus("#card1 .fig-tokens");
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowRight");
    assert.match(await readout(), /·Mary \(1\).*looks most at/);
    await page.keyboard.press("Enter");
    assert.deepEqual(await page.evaluate("gallery.bus.pin"), { "pos/dst@prompt:1": [1], "pos@prompt:1": [1] });
    await page.keyboard.press("Enter");
    await page.evaluate('gallery.bus.setFilter({ "pos@prompt:1": [2, 3] }, "test")');
    await frames(page);
    assert.equal(await page.locator("#card1 .fig-token:not(.out)").count(), 2);
    assert.equal(await page.locator("#card0 .fig-token:not(.out)").count(), 2);
    await page.evaluate('gallery.bus.setFilter(null, "test")');
    await frames(page);
    assert.equal(await page.locator(".fig-token.out").count(), 0);
    await choose("card1", "as", "map");
  });

  await check("the row of choices works by keyboard, and keeps the focus", async () => {
    const focused = () => page.evaluate("document.activeElement.value");
    await page.focus('#card1 input[data-key="as"]:checked');
    await page.keyboard.press("ArrowRight");
    await frames(page);
    assert.equal(await focused(), "text");
    await page.keyboard.press("Tab");
    assert.equal(await focused(), "from");
    await page.keyboard.press("Tab");
    assert.equal(await focused(), "shared");
    await choose("card1", "first", "out");
    for (const scheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.waitForTimeout(200);
      await axe(page);
    }
    await page.emulateMedia({ colorScheme: "light" });
    await choose("card1", "first", "shown");
    await choose("card1", "as", "map");
  });
  await check("series of tokens: picked by button, arrow, list and pin", async () => {
    const shown = () => page.evaluate('document.querySelector("#card14 .fig-tokens").getAttribute("aria-label")');
    await page.locator("#card14 .fig-picker .fig-choice >> nth=2").hover();
    await frames(page);
    assert.deepEqual(await page.evaluate("gallery.bus.hover"), { "neuron@model:a": [102] });
    await page.locator("#card14 .fig-picker input >> nth=2").check({ force: true });
    assert.match(await shown(), /neuron 3\.102 of 5/);
    await page.keyboard.press("ArrowRight");
    assert.match(await shown(), /neuron 3\.103 of 5/);
    assert.deepEqual(await page.evaluate("gallery.bus.pin"), {});
    await page.locator("#card14 .fig-token >> nth=3").hover();
    assert.equal(await page.locator(".fig-tip div").count(), 7);
    await picture(page.locator("#card14"), "series");
    await page.fill("#card15 .fig-search", "3.137");
    await page.keyboard.press("Enter");
    assert.match(await page.getAttribute("#card15 .fig-tokens", "aria-label"), /neuron 3\.137 of 40/);
    await page.evaluate('gallery.bus.togglePin({ "neuron@model:a": [101] }, "test")');
    await frames(page);
    assert.match(await shown(), /neuron 3\.101 of 5/);
    assert.match(await page.getAttribute("#card15 .fig-tokens", "aria-label"), /neuron 3\.101 of 40/);
    await page.evaluate('gallery.bus.togglePin({ "neuron@model:a": [101] }, "test")');
  });

  await check("a pooled stack says so, then reads the array's value; a panel alone is whole", async () => {
    assert.match(await label("card16"), /largest of each 5×5 cells/);
    const canvas = page.locator("#card16 .fig-top");
    await canvas.scrollIntoViewIfNeeded();
    const box = await canvas.boundingBox();
    // The array's value may be there in a moment: what is said before is noted as it comes.
    await page.evaluate(() => {
      window.said = [];
      const note = () => window.said.push(document.querySelector(".fig-tip")?.textContent ?? "");
      new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true });
    });
    await page.mouse.move(box.x + 80, box.y + 90);
    await frames(page);
    assert.ok((await page.evaluate("window.said")).some((text) => /largest of 5×5 cells pooled/.test(text)));
    await page.waitForFunction('!document.querySelector(".fig-tip").textContent.includes("pooled")');
    const tip = await page.textContent(".fig-tip");
    const [, value, row, column] = /attention ([\d.e-]+).*\((\d+)\).*\((\d+)\)/.exec(tip).map(Number);
    assert.equal(value, Number(((row * 31 + column * 17) % 1000) / 1000), tip);
    // Its tiles are too small for pins: a click, and so a double click, enlarges one.
    await page.mouse.dblclick(box.x + 80, box.y + 90);
    await page.waitForFunction('!document.querySelector("#card16 .fig-top").getAttribute("aria-label").includes("largest")');
    assert.deepEqual(await page.evaluate("gallery.bus.pin"), {});
    await page.mouse.move(box.x + 160, box.y + 260);
    await frames(page);
    const near = await page.textContent(".fig-tip:not([hidden])");
    const [, whole, y, x] = /attention ([\d.e-]+)head 0.*\((\d+)\).*\((\d+)\)/.exec(near).map(Number);
    assert.equal(whole, ((y * 31 + x * 17) % 1000) / 1000, near);
    await picture(page.locator("#card16"), "pooled");
    await canvas.focus();
    await page.keyboard.press("Escape");
    return tip;
  });
  await check("attention as text over 1,200 tokens: exact once its head is here", async () => {
    await choose("card16", "as", "text");
    await page.waitForTimeout(400);
    const times = await page.evaluate(async () => {
      const out = [];
      const spans = document.querySelectorAll("#card16 .fig-token");
      const frame = () => new Promise((done) => requestAnimationFrame(done));
      for (let i = 0; i < 30; i++) {
        await frame();
        const start = performance.now();
        spans[300 + i * 20].dispatchEvent(new PointerEvent("pointermove", { clientX: 60, clientY: 60, bubbles: true }));
        await frame();
        await new Promise((done) => setTimeout(done));
        out.push(performance.now() - start);
      }
      return out.sort((a, b) => a - b);
    });
    const tip = await page.textContent(".fig-tip:not([hidden])");
    assert(/\(880\)head 0 looks most at/.test(tip) && !tip.includes("pooled"), tip);
    await picture(page.locator("#card16"), "text-long");
    await page.mouse.move(2, 2);
    await page.evaluate('gallery.bus.setHover(null, "test")');
    await choose("card16", "as", "map");
    return `hover median ${times[15].toFixed(1)} ms, p95 ${times[28].toFixed(1)} ms`;
  });
  await check("compared places have letters, A solid and B dashed", async () => {
    const before = await lit(page, "card3");
    await page.evaluate(() => {
      window.gallery.bus.setCompare(0, { "pos@prompt:1": [2], "layer@model:a": [1], "example@set:1": [3] }, "test");
      window.gallery.bus.setCompare(1, { "pos@prompt:1": [5], "layer@model:a": [2], "example@set:1": [5] }, "test");
    });
    await frames(page);
    const content = (selector) => page.evaluate((s) => getComputedStyle(document.querySelector(s), "::before").content, selector);
    assert.equal(await content("#card0 .fig-token.compare-a"), '"A"');
    assert.equal(await content("#card0 .fig-token.compare-b"), '"B"');
    assert.equal(await content("#card8 .fig-row.compare-b > :first-child"), '"B"');
    assert((await lit(page, "card3")) > before);
    for (const card of [0, 1, 4, 7, 8, 9]) await picture(page.locator(`#card${card}`), `compared-${card}`);
    for (const slot of [0, 1]) await page.evaluate(`gallery.bus.setCompare(${slot}, null, "test")`);
  });
  await check("a token on one side of a comparison lights on the other", async () => {
    await page.locator("#card17 .fig-side >> nth=0").locator(".fig-token >> nth=4").hover();
    await frames(page);
    assert.equal(await page.locator("#card17 .fig-token.hover").count(), 3);
    await choose("card17", "values", "clip");
    const bars = await page.evaluate(() => [...document.querySelectorAll("#card17 .fig-side .fig-scale")].slice(0, 2).map((canvas) => canvas.getAttribute("aria-label")));
    assert.equal(bars[0], bars[1]);
    await choose("card17", "values", "linear");
  });
  await check("pictures hatch what is no number and keep words in their boxes", async () => {
    for (const i of [0, 2]) {
      const svg = await page.evaluate((i) => window.gallery.handles[i].exportSVG(), i);
      assert(svg.includes("url(#hatch)") && svg.includes('id="hatch"') && svg.includes("textLength"), `figure ${i}`);
      keep(`hatched-${i}.svg`, svg);
    }
  });
  await check("no errors by any choice", () => assert(problems.length === 0, problems.join(" ~ ").slice(0, 600)));
  await close();
}
