// Forms and edits: what is asked follows what is written; what does not fit is refused with a reason.
import assert from "node:assert/strict";
import { axe, frames, settled, view } from "./harness.mjs";

const asking = (page) => page.waitForRequest((r) => r.url().endsWith("/api/jobs") && r.method() === "POST");

export async function forms(h) {
  await h.test("forms change what is asked and refuse what does not fit", async () => {
    const page = await h.open({ settle: 6 });
    await view(page, "v3").locator("button.parameters").click();
    await axe(page, "a form");
    const layer = view(page, "v3").getByLabel("layer", { exact: true });
    await layer.fill("9");
    await layer.press("Enter");
    assert.equal(await layer.getAttribute("aria-invalid"), "true");
    const asked = asking(page);
    await layer.fill("2");
    await layer.press("Enter");
    assert.equal((await asked).postDataJSON().parameters.layer, 2);
    await settled(page);
  });

  await h.test("edits are made, switched, removed and undone; before, after and the difference are shown", async () => {
    const page = await h.open({ settle: 6 });
    await page.getByRole("button", { name: "Add an edit" }).click();
    await page.getByLabel("point", { exact: true }).fill("blocks.1.attn.z");
    await page.getByLabel("where").fill("head=9;");
    await page.getByLabel("change").selectOption("other");
    await page.getByLabel("operation").fill("nonsense");
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await page.locator(".edits form .bad").waitFor();
    await page.getByLabel("where").fill("head=1");
    await page.getByLabel("change").selectOption("zero");
    const asked = asking(page);
    await page.getByRole("button", { name: "Add", exact: true }).click();
    assert.deepEqual((await asked).postDataJSON().edits, ["blocks.1.attn.z[head=1]=zero"]);
    await settled(page);
    await view(page, "v2").getByLabel("What is shown").selectOption("edits");
    await view(page, "v2").locator(".kind-compare").first().waitFor();
    await frames(page);
    await axe(page, "edits");
    await page.locator(".chip input").uncheck();
    assert.equal(await page.locator(".chip.off").count(), 1);
    await page.getByRole("button", { name: /Remove the edit/ }).click();
    assert.equal(await page.locator(".chip").count(), 0);
    await page.getByRole("button", { name: "Undo", exact: true }).click();
    assert.equal(await page.locator(".chip").count(), 1);
    // From the pins.
    await page.keyboard.press("]");
    await page.locator(".here").getByRole("button", { name: "zero" }).click();
    await page.waitForFunction(() => document.querySelectorAll(".chip").length === 2);
  });
}
