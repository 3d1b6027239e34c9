// Two prompts or two models in one view, with what changes between them; and views that do not fit a model.
import assert from "node:assert/strict";
import { axe, frames, PROMPT, readout, settled, view, viewsOf, workspace } from "./harness.mjs";

/** The same number of tokens as PROMPT, one of them another. */
const OTHER = PROMPT.replace("strong", "great");

/** What a canvas tells of its last cell. */
async function lastCell(page, canvas) {
  await canvas.focus();
  await page.keyboard.press("End");
  return Number(/(-?[\d.]+(?:e-?\d+)?)(?:,|$)/.exec(await readout(page))?.[1]);
}

export async function compared(h) {
  const { program } = h;

  await h.test("two prompts in one view: each side is its own answer, and the third is their difference", async () => {
    const prompts = [{ id: "p", text: PROMPT }, { id: "q", text: OTHER }];
    await program.keepWorkspace("two prompts", workspace([{ view: "norms", show: "prompts" }, { view: "next_tokens" }, { view: "next_tokens", prompt: "q" }], { prompts }));
    const page = await h.open({ hash: "ws=two prompts", settle: 3 });
    const sides = view(page, "v1").locator(".fig-side");
    assert.equal(await sides.count(), 3);
    assert.deepEqual(await sides.locator(".fig-badge").allTextContents(), ["A", "B", "B − A"]);
    const numbers = [];
    for (const i of [0, 1, 2]) numbers.push(await lastCell(page, sides.nth(i).locator(".fig-top").first()));
    const truth = [];
    for (const prompt of [PROMPT, OTHER]) truth.push((await program.numbers("norms", { prompt })).resid);
    const log = ({ data }) => Math.log10(data.at(-1));
    assert.deepEqual(truth.map(({ shape }) => shape), [truth[0].shape, truth[0].shape], "both prompts have as many tokens");
    for (const i of [0, 1]) assert.ok(Math.abs(numbers[i] - log(truth[i])) < 1e-5, `${numbers[i]} is not ${log(truth[i])}`);
    assert.ok(Math.abs(numbers[2] - (numbers[1] - numbers[0])) < 1e-5, String(numbers));
    assert.notEqual(numbers[2], 0);
    // Views of one prompt say which.
    assert.match(await view(page, "v3").locator(".which").textContent(), /prompt B/);
    await axe(page, "two prompts");
  });

  await h.test("two models in one view: their difference is shown, and either is opened and closed by hand", async () => {
    const models = [{ id: "a", reference: "zoo:talk" }, { id: "b", reference: "zoo:talk@1000" }];
    await program.keepWorkspace("two models", workspace([{ view: "norms", show: "models" }, { view: "next_tokens", model: "b" }], { models }));
    const page = await h.open({ hash: "ws=two models", settle: 2 });
    const sides = view(page, "v1").locator(".fig-side");
    assert.equal(await sides.count(), 3);
    const numbers = [];
    for (const i of [0, 1, 2]) numbers.push(await lastCell(page, sides.nth(i).locator(".fig-top").first()));
    assert.ok(Math.abs(numbers[2] - (numbers[1] - numbers[0])) < 1e-5 && numbers[2] !== 0, String(numbers));
    const { resid } = await program.numbers("norms", { prompt: PROMPT }, { model: "zoo:talk@1000" });
    assert.ok(Math.abs(numbers[1] - Math.log10(resid.data.at(-1))) < 1e-5, "the second is not the other model's");
    assert.match(await view(page, "v2").locator(".which").textContent(), /model B/);
    await view(page, "v1").getByLabel("What is shown").selectOption("after");
    await page.waitForFunction(() => document.querySelectorAll("[data-view=v1] .fig-side").length === 0);
    await page.getByRole("button", { name: "Close model B" }).click();
    await settled(page, 2);
    assert.equal(await view(page, "v2").locator(".which").count(), 0);
    assert.equal(await view(page, "v1").getByLabel("What is shown").count(), 0);
  });

  await h.test("a view that does not fit the model is greyed with its reason, and is not added", async () => {
    await program.keepWorkspace("no neurons", workspace([{ view: "norms" }], { model: "zoo:induction", prompts: [{ id: "p", tokens: [3, 5, 7, 5, 3, 7, 1] }] }));
    const page = await h.open({ hash: "ws=no neurons", settle: 1 });
    await page.keyboard.press("Control+k");
    await page.keyboard.type("activations");
    const option = page.getByRole("option", { name: /^activations/ });
    await option.waitFor();
    assert.equal(await option.getAttribute("aria-disabled"), "true");
    assert.match(await option.textContent(), /does not fit: .*\w/);
    await axe(page, "a view that does not fit");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => /activations does not fit/.test(document.querySelector("footer output").textContent));
    await option.click({ force: true });
    await page.keyboard.press("Escape");
    await frames(page);
    assert.equal(await viewsOf(page), 1);
    // One that a workspace has says so in its place.
    await program.keepWorkspace("no neurons", workspace([{ view: "activations", parameters: { layer: 0 } }], { model: "zoo:induction", prompts: [{ id: "p", tokens: [3, 5, 7] }] }));
    await page.reload();
    await view(page, "v1").locator(".unfit").getByText(/does not fit/).waitFor();
  });
}
