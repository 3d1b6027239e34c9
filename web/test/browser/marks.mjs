// What can be done with a mark: comparing two places, the menu of the right button, and edits of what is pinned.
import assert from "node:assert/strict";
import { axe, frames, lit, readout, settled, until, view, workspace } from "./harness.mjs";

const pinned = (page) => page.locator("footer .muted").first().textContent();
const token = (page, i) => view(page, "v1").locator(".fig-token").nth(i);
const menu = (page) => page.getByRole("menu");

/** What is asked last has these edits, and all views have their answers. */
async function askedUnder(page, edits) {
  await until(`a question under ${edits}`, () => page.asked.length > 0 && page.asked.at(-1).edits.join() === edits.join());
  await settled(page, 2);
}

export async function marks(h) {
  const { program } = h;
  const open = async (name) => {
    await program.keepWorkspace(name, workspace([{ view: "next_tokens" }, { view: "logit_lens" }]));
    return h.open({ hash: `ws=${name}`, settle: 2 });
  };

  await h.test("compare: c puts what is pinned into A, then into B, every view shows both, and Shift-C empties them", async () => {
    const page = await open("compared places");
    const compared = page.locator("footer .compared");
    const press = (key) => page.keyboard.press(key).then(() => frames(page));
    await page.mouse.move(2, 2);
    await press("c");
    assert.match(await readout(page), /Nothing is pinned/);
    assert.equal(await compared.count(), 0);
    await token(page, 3).click();
    await press("c");
    assert.match(await compared.textContent(), /A: pos 3/);
    assert.doesNotMatch(await compared.textContent(), /B:/);
    // The same place twice is no comparison.
    await press("c");
    assert.doesNotMatch(await compared.textContent(), /B:/);
    await token(page, 6).click();
    await press("c");
    assert.match(await compared.textContent(), /A: pos 3.*B: pos 6/);
    await token(page, 6).click();
    await page.mouse.move(2, 2);
    await frames(page);
    assert.equal(await pinned(page), "");
    assert.equal(await view(page, "v1").locator(".fig-token.compare-a").textContent(), await token(page, 3).textContent());
    assert.equal(await view(page, "v1").locator(".fig-token.compare-b").textContent(), await token(page, 6).textContent());
    assert.ok((await lit(page, "v2")) > 20, "the lens does not show what is compared");
    await axe(page, "compared places");
    await press("Shift+C");
    assert.equal(await compared.count(), 0);
    assert.equal(await page.locator(".compare-a, .compare-b").count(), 0);
    assert.equal(await lit(page, "v2"), 0);
  });

  await h.test("the right button on a mark pins it and opens a menu, which keys go through", async () => {
    const page = await open("menu");
    await token(page, 4).click({ button: "right" });
    await menu(page).waitFor();
    assert.equal(await menu(page).getAttribute("aria-label"), "Pinned: pos 4");
    assert.match(await pinned(page), /pos 4/);
    await axe(page, "the menu of a mark");
    const items = menu(page).getByRole("menuitem");
    const focused = () => page.evaluate(() => document.activeElement.textContent);
    assert.equal(await focused(), await items.first().textContent());
    await page.keyboard.press("ArrowUp");
    assert.equal(await focused(), await items.last().textContent(), "arrows go round");
    await page.keyboard.press("Escape");
    assert.equal(await menu(page).count(), 0);
    assert.match(await pinned(page), /pos 4/, "Esc closes the menu and nothing else");
    // It says of what it is when it is opened elsewhere.
    await token(page, 7).click({ button: "right" });
    assert.equal(await menu(page).getAttribute("aria-label"), "Pinned: pos 7");
    await menu(page).getByRole("menuitem", { name: /Compare: into slot A/ }).click();
    await page.locator("footer .compared").getByText(/A: pos 7/).waitFor();
    await token(page, 7).click({ button: "right" });
    await menu(page).getByRole("menuitem", { name: "Unpin all" }).click();
    await page.waitForFunction(() => document.querySelector("footer .muted").textContent === "");
    assert.equal(await menu(page).count(), 0);
  });

  await h.test("e edits what is pinned, and an edit is changed in its place", async () => {
    const page = await open("edit pinned");
    await token(page, 4).click();
    await page.keyboard.press("]");
    await page.keyboard.press("e");
    const dialog = page.getByRole("dialog");
    const point = dialog.getByLabel("point", { exact: true });
    await dialog.getByLabel("pinned", { exact: true }).waitFor();
    assert.equal(await point.inputValue(), "blocks.0.resid_post");
    assert.equal(await dialog.getByLabel("where").inputValue(), "pos=4");
    // Another point of the same place.
    await dialog.getByLabel("pinned", { exact: true }).selectOption("mlp_out");
    assert.equal(await point.inputValue(), "blocks.0.mlp_out");
    await dialog.getByRole("button", { name: "Add", exact: true }).click();
    await askedUnder(page, ["blocks.0.mlp_out[pos=4]=zero"]);
    await page.getByRole("button", { name: "Change the edit blocks.0.mlp_out[pos=4]=zero" }).click();
    await dialog.getByRole("heading", { name: "Change the edit" }).waitFor();
    assert.equal(await point.inputValue(), "blocks.0.mlp_out");
    await point.fill("blocks.99.mlp_out");
    await dialog.getByRole("button", { name: "Change", exact: true }).click();
    assert.match(await dialog.getByRole("alert").textContent(), /99/);
    assert.match(await page.locator(".chip").textContent(), /blocks\.0\.mlp_out\[pos=4\]=zero/, "what is refused changes nothing");
    await point.fill("blocks.1.mlp_out");
    await dialog.getByLabel("change", { exact: true }).selectOption("scale");
    await dialog.getByLabel("factor").fill("0.5");
    await dialog.getByRole("button", { name: "Change", exact: true }).click();
    await askedUnder(page, ["blocks.1.mlp_out[pos=4]=*0.5"]);
    assert.equal(await page.locator(".chip").count(), 1);
    await page.getByRole("button", { name: "Undo", exact: true }).click();
    await askedUnder(page, ["blocks.0.mlp_out[pos=4]=zero"]);
  });
}
