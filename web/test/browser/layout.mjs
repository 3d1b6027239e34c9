// Points 17 and 29: views are arranged by mouse and by keys, and nothing is cut off, however small or dark the page is.
import assert from "node:assert/strict";
import { axe, settled, view, viewsOf } from "./harness.mjs";

const place = (page, id) => view(page, id).evaluate((el) => [el.style.gridColumn, el.style.gridRow].join(" | "));
const focused = (page) => page.evaluate(() => document.activeElement?.closest("[data-view]")?.dataset.view);

export async function layout(h) {
  await h.test("17 views are added, moved, resized, maximised and removed by mouse", async () => {
    const page = await h.open({ settle: 6 });
    await page.getByRole("button", { name: "+ view" }).click();
    await page.keyboard.type("similar");
    await page.getByRole("option", { name: /^similarity/ }).click();
    await settled(page, 7);
    assert.equal(await viewsOf(page), 7);
    const before = await place(page, "v1");
    await page.locator("main").evaluate((el) => el.scrollTo(0, 0));
    const grip = await view(page, "v1").locator(".grip").boundingBox();
    await page.mouse.move(grip.x + 20, grip.y + 8);
    await page.mouse.down();
    await page.mouse.move(grip.x + 300, grip.y + 8, { steps: 5 });
    await page.mouse.move(grip.x + 620, grip.y + 8, { steps: 5 });
    await page.mouse.up();
    assert.notEqual(await place(page, "v1"), before);
    await page.keyboard.press("Control+z");
    assert.equal(await place(page, "v1"), before);
    const size = await view(page, "v1").boundingBox();
    const corner = await view(page, "v1").locator(".corner").boundingBox();
    await page.mouse.move(corner.x + 5, corner.y + 5);
    await page.mouse.down();
    await page.mouse.move(corner.x - 230, corner.y - 90, { steps: 6 });
    await page.mouse.up();
    const smaller = await view(page, "v1").boundingBox();
    assert.ok(Math.abs(size.width - smaller.width - 235) < 70 && Math.abs(size.height - smaller.height - 95) < 30, JSON.stringify([size, smaller]));
    await view(page, "v2").locator(".tools").getByRole("button", { name: /Maximise/ }).click();
    const box = await view(page, "v2").boundingBox();
    assert.ok(box.width > 1400, `maximised to ${box.width}`);
    await axe(page, "a maximised view");
    await page.keyboard.press("Escape");
    assert.ok((await view(page, "v2").boundingBox()).width < 1000);
    await view(page, "v2").locator(".tools").getByRole("button", { name: /Remove/ }).click();
    assert.equal(await viewsOf(page), 6);
    // No two views lie on one another.
    const boxes = await page.locator(".view").evaluateAll((all) => all.map((el) => el.getBoundingClientRect().toJSON()));
    for (const [i, a] of boxes.entries()) {
      for (const b of boxes.slice(i + 1)) assert.ok(a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top, "views overlap");
    }
  });

  await h.test("17 the same by keys alone", async () => {
    const page = await h.open({ settle: 6 });
    // Tab reaches the figures one by one; Esc leads from a figure to its view's title.
    for (let i = 0; i < 30 && !(await focused(page)); i += 1) await page.keyboard.press("Tab");
    assert.equal(await focused(page), "v1");
    // One stop per figure: the next view is as many away as this one has.
    const stops = await view(page, "v1").locator(".figures [tabindex='0']").count();
    for (let i = 0; i < stops; i += 1) await page.keyboard.press("Tab");
    assert.equal(await focused(page), "v2");
    for (let i = 0; i < stops; i += 1) await page.keyboard.press("Shift+Tab");
    assert.equal(await focused(page), "v1");
    const before = await place(page, "v1");
    await page.keyboard.press("Alt+ArrowRight");
    assert.notEqual(await place(page, "v1"), before);
    await page.keyboard.press("Alt+Shift+ArrowDown");
    assert.match(await place(page, "v1"), /span 7$/);
    await page.keyboard.press("f");
    assert.equal(await page.locator(".view.maximised").count(), 1);
    await page.keyboard.press("Escape");
    assert.equal(await page.locator(".view.maximised").count(), 0);
    await page.keyboard.press("Enter");
    assert.ok(await page.evaluate(() => document.activeElement.closest("[data-view=v1] .body") !== null), "Enter goes in");
    for (let i = 0; i < 3; i += 1) await page.keyboard.press("Escape");
    assert.ok(await page.evaluate(() => document.activeElement.classList.contains("grip")), "Esc comes out");
    await page.keyboard.press("Delete");
    assert.equal(await viewsOf(page), 5);
    assert.ok(await focused(page), "the focus goes to a neighbour");
    await page.keyboard.press("Control+z");
    assert.equal(await viewsOf(page), 6);
    await page.keyboard.press("Control+k");
    await page.keyboard.type("similarity");
    await page.keyboard.press("Enter");
    await settled(page, 7);
    assert.equal(await viewsOf(page), 7);
    await page.keyboard.press("]");
    await page.keyboard.press("]");
    await page.waitForFunction(() => /layer 1/.test(document.querySelector("[data-view=v3] button.parameters").textContent));
    await settled(page, 7);
    await page.keyboard.press("[");
    await page.waitForFunction(() => /layer 0/.test(document.querySelector("[data-view=v3] button.parameters").textContent));
    await page.keyboard.press("/");
    await page.keyboard.type("Union");
    await page.locator("dialog [role=option]").first().waitFor();
    await page.keyboard.press("Enter");
    await page.locator(".token.pinned").waitFor();
    assert.match(await page.locator("footer").textContent(), /pos/);
  });

  for (const [name, options] of [
    ["light", { colorScheme: "light" }],
    ["dark", { colorScheme: "dark" }],
    ["1024 px", { viewport: { width: 1024, height: 768 } }],
    ["zoom of 200 %", { viewport: { width: 720, height: 450 }, deviceScaleFactor: 2 }],
    ["a narrow window", { viewport: { width: 420, height: 800 } }],
  ]) {
    await h.test(`29 nothing is cut off, contrast is enough: ${name}`, async () => {
      const page = await h.open({ settle: 6, ...options });
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(over <= 0, `${over} pixels too wide`);
      // Words of the frame that do not fit their box; what may be cut is cut with an ellipsis, and has a title.
      const cut = await page.evaluate(() =>
        [...document.querySelectorAll("button, h1, h2, label, .fig-title, .fig-caption, legend, th")]
          .filter((el) => el.clientWidth > 0 && el.scrollWidth > el.clientWidth + 1 && getComputedStyle(el).textOverflow !== "ellipsis")
          .map((el) => el.textContent.trim().slice(0, 60)),
      );
      assert.deepEqual(cut, []);
      // Every view can be scrolled to, and none is empty.
      for (const one of await page.locator(".view").all()) {
        await one.scrollIntoViewIfNeeded();
        const box = await one.boundingBox();
        assert.ok(box.x >= 0 && box.x + box.width <= (options.viewport?.width ?? 1440), JSON.stringify(box));
        assert.ok(box.width > 200 && box.height > 100, JSON.stringify(box));
      }
      await axe(page, name);
    });
  }
}
