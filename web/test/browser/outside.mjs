// Views that a program of the user's works out: one that a workspace brings waits until it is allowed to run.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { axe, frames, lit, settled, view, viewsOf, workspace } from "./harness.mjs";

function hasPython() {
  try {
    execFileSync("python3", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

export async function outside(h) {
  const { program } = h;
  const test = (name, body) => (hasPython() ? h.test(name, body) : h.leaveOut(name, "the plug-in that is tried needs Python, which is missing"));
  const brought = (text) => program.keepWorkspace("brought", workspace([{ view: "entropy", parameters: { layer: 1 } }, { view: "norms" }], { prompts: [{ id: "p", text }] }));

  await test("a program of the user's that a workspace asks for runs once it is allowed, and not before", async () => {
    await brought("The state of the Union");
    const page = await h.open({ hash: "ws=brought", settle: 1 });
    const asks = view(page, "v1").locator(".asks");
    assert.match(await asks.textContent(), /Not run.*pellucid-view-entropy/s);
    await axe(page, "a program that waits");
    assert.deepEqual(page.asked.map(({ view }) => view), ["norms"], "it is asked without leave");
    await asks.getByRole("button", { name: "Run this program" }).click();
    await settled(page, 2);
    assert.match(await view(page, "v1").locator(".fig-top").first().getAttribute("aria-label"), /bits/);
    assert.equal(page.asked.at(-1).view, "entropy");
    // Its marks are linked as any other's.
    await page.locator(".token").nth(2).hover();
    await frames(page);
    assert.ok((await lit(page, "v1")) > 0, "its figure is not linked");
    // What was allowed stays so, as long as the question is the same.
    await page.reload();
    await settled(page, 2);
    assert.equal(await page.locator(".asks").count(), 0);
    // The file is not what it was: its program is not asked something else without leave.
    await brought("Another question, from somebody else");
    page.asked.length = 0;
    await page.reload();
    await settled(page, 1);
    await asks.waitFor();
    assert.ok(page.asked.every(({ view }) => view !== "entropy"), "a changed file runs a program");
  });

  await test("a program of the user's that is added by hand runs at once", async () => {
    await program.keepWorkspace("empty", workspace([]));
    const page = await h.open({ hash: "ws=empty" });
    await page.getByText("No view is open.").waitFor();
    await page.keyboard.press("Control+k");
    await page.keyboard.type("entropy");
    const option = page.getByRole("option", { name: /^entropy/ });
    assert.match(await option.textContent(), /outside/);
    await option.click();
    await page.locator(".view").waitFor();
    assert.equal(await viewsOf(page), 1);
    // Its layer follows the pin.
    await page.keyboard.press("]");
    await settled(page, 1);
    assert.equal(await page.locator(".asks").count(), 0);
    assert.equal(page.asked.at(-1).view, "entropy");
  });
}
