// Point 28: no serious finding of axe wherever one can get, and the whole demonstration by keys alone.
import assert from "node:assert/strict";
import { axe, readout, settled, until, view } from "./harness.mjs";

export async function dialogs(h) {
  await h.test("28 axe finds nothing serious on the first page and in its dialogs", async () => {
    const page = await h.open({ settle: 6 });
    await axe(page, "the first page");
    for (const [keys, what] of [["Control+k", "the palette"], ["?", "the help"], ["/", "the search"], ["Control+s", "the workspace dialog"]]) {
      await page.keyboard.press(keys);
      await page.getByRole("dialog").waitFor();
      await axe(page, what);
      await page.keyboard.press("Escape");
      await page.getByRole("dialog").waitFor({ state: "detached" });
    }
    await view(page, "v1").getByRole("button", { name: /^Export/ }).click();
    await axe(page, "the menu of exports");
    await page.keyboard.press("Escape");
    await view(page, "v1").locator(".about summary").click();
    await axe(page, "provenance");
    await page.getByRole("button", { name: "Light or dark" }).click();
    await axe(page, "the other colours");
  });
}

export async function accessibility(h) {
  await dialogs(h);

  await h.test("28 the demonstration from its first step to its last by keys alone", async () => {
    const page = await h.open({ hash: "ws=first-steps", settle: 6 });
    const { keyboard } = page;
    /** Tab until the focus is where it is wanted. */
    const tabTo = async (what, at) => {
      for (let i = 0; i < 60; i += 1) {
        if (await page.evaluate(at)) return;
        await keyboard.press("Tab");
      }
      assert.fail(`Tab does not reach ${what}`);
    };
    // A token: the readout tells of it, Enter pins it.
    await tabTo("the text", () => document.activeElement?.closest("[data-view]") !== null && document.activeElement.matches(".fig-tokens"));
    for (let i = 0; i < 4; i += 1) await keyboard.press("ArrowRight");
    assert.match(await readout(page), /pos 3/);
    await keyboard.press("Enter");
    await page.waitForFunction(() => /pos 3/.test(document.querySelector("footer .muted").textContent));
    // A cell of another view.
    await tabTo("a canvas", () => document.activeElement?.matches("[data-view] .fig-top"));
    await keyboard.press("ArrowRight");
    assert.ok((await readout(page)).length > 5);
    // The edit that waits, switched on.
    await keyboard.press("Escape");
    await tabTo("the switch of an edit", () => document.activeElement?.matches(".chip input"));
    const asked = page.asked.length;
    await keyboard.press("Space");
    await page.waitForFunction(() => document.querySelectorAll(".chip:not(.off)").length === 1);
    await until("a question under the edit", () => page.asked.slice(asked).some(({ edits }) => edits.length === 1));
    await settled(page);
    // Before beside after, in the view that has the focus.
    await tabTo("a view", () => document.activeElement?.closest("[data-view]") !== null);
    for (let i = 0; i < 4 && !(await page.evaluate(() => document.activeElement.matches(".grip"))); i += 1) await keyboard.press("Escape");
    assert.ok(await page.evaluate(() => document.activeElement.matches(".grip")), "Esc leads to the view's title");
    await keyboard.press("ArrowRight");
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "What is shown");
    await keyboard.press("End");
    await page.locator(".kind-compare").first().waitFor();
    // The path, to its end.
    await tabTo("the path", () => document.activeElement?.matches("aside button") && /Next/.test(document.activeElement.textContent));
    const steps = Number(/of (\d+)/.exec(await page.getByText(/Step \d+ of \d+/).first().textContent())[1]);
    for (let i = 1; i < steps; i += 1) {
      await tabTo("the next step", () => document.activeElement?.matches("aside button") && /Next/.test(document.activeElement.textContent) && !document.activeElement.disabled);
      await keyboard.press("Enter");
      await page.getByText(`Step ${i + 1} of ${steps}`).first().waitFor();
    }
    await settled(page);
  });
}
