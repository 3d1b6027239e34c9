// Points 5, 6 and 25: the demonstration opens, what is there looks different from what is not, and long answers can be waited for.
import assert from "node:assert/strict";
import { PROMPT, settled, SMOLLM2, until, view, viewsOf, workspace } from "./harness.mjs";

/** A question that takes seconds: a gradient for each of many positions. */
const slow = (seed) => workspace([{ view: "saliency" }], { prompts: [{ id: "p", tokens: Array.from({ length: 250 }, (_, i) => 3 + ((i * 7 + seed) % 200)) }] });

export async function jobs(h) {
  const { program } = h;

  await h.test("5 the demonstration is usable: six views, a path, and what its first step says", async () => {
    const page = await h.open({ hash: "ws=first-steps", settle: 6 });
    assert.equal(await viewsOf(page), 6);
    assert.equal(await page.locator(".view [role=alert]").count(), 0);
    const path = page.getByRole("complementary", { name: "Path" });
    await path.getByText(/Step 1 of \d/).waitFor();
    await path.getByRole("button", { name: /Next/ }).click();
    await path.getByText(/Step 2 of \d/).waitFor();
  });

  await h.testOnSmolLM2("5 the demonstration on SmolLM2 finds who gets the drink", async () => {
    const page = await h.open({ hash: "ws=indirect-objects", settle: 6 });
    assert.equal(await page.locator(".view [role=alert]").count(), 0);
    const last = view(page, "next").locator(".fig-row[data-line]").last();
    await last.scrollIntoViewIfNeeded();
    assert.match(await last.textContent(), /·Mary 9\d%/);
    assert.equal(page.asked[0].model, SMOLLM2);
  });

  await h.test("6 empty, waiting and failed views look and read differently", async () => {
    const prompts = [{ id: "p", text: "" }, { id: "q", text: "The state of the Union" }];
    const models = [{ id: "a", reference: "zoo:talk" }, { id: "b", reference: "zoo:no-such-network" }];
    const views = [
      { view: "next_tokens" },
      { view: "norms", prompt: "q", parameters: {} },
      { view: "pattern", prompt: "q", parameters: { layer: 77 } },
      { view: "norms", prompt: "q", model: "b" },
      { view: "logit_lens", prompt: "q" },
    ];
    await program.keepWorkspace("states", workspace(views, { prompts, models }));
    // One answer does not come.
    const hold = (route) => (route.request().postDataJSON()?.view === "logit_lens" ? undefined : route.continue());
    const page = await h.open({ hash: "ws=states", prepare: (fresh) => fresh.route("**/api/jobs", hold) });
    const state = (id) => view(page, id).locator(".state");
    await state("v1").getByText(/prompt/i).waitFor();
    await state("v3").getByText(/layer/).waitFor();
    await state("v4").getByText(/no-such-network/).waitFor();
    await state("v5").getByText(/…/).waitFor();
    await view(page, "v2").locator(".fig").first().waitFor();
    assert.equal(await state("v3").getAttribute("role"), "alert", "a failure is told to readers of screens");
    assert.notEqual(await state("v1").getAttribute("role"), "alert", "an empty view is no failure");
    assert.equal(await view(page, "v5").locator(".body").getAttribute("aria-busy"), "true");
    assert.equal(await view(page, "v1").locator(".body").getAttribute("aria-busy"), "false");
    const classes = await Promise.all(["v1", "v5"].map((id) => state(id).first().getAttribute("class")));
    assert.notEqual(classes[0], classes[1]);
    await page.unroute("**/api/jobs");
  });

  await h.testOnSmolLM2("25 a text is shown while it is written, and is gone on from", async () => {
    await program.keepWorkspace("writing", workspace([{ view: "sample", parameters: { max_new_tokens: 60 } }], { model: SMOLLM2 }));
    // Each state of the text, however short it stands.
    const watch = () => {
      window.written = [];
      new MutationObserver(() => {
        const text = document.querySelector(".written")?.textContent.trim();
        if (text && window.written.at(-1) !== text) window.written.push(text);
      }).observe(document, { subtree: true, childList: true, characterData: true });
    };
    const page = await h.open({ hash: "ws=writing", settle: 1, prepare: (fresh) => fresh.addInitScript(watch) });
    const written = await page.evaluate(() => window.written);
    assert.ok(written.length > 1, `the text came in ${written.length} pieces`);
    const { text } = await program.numbers("sample", { prompt: PROMPT, max_new_tokens: 60 }, { model: SMOLLM2 });
    const whole = `${PROMPT}${text}`;
    for (const part of written) assert.ok(part.length > PROMPT.length && whole.startsWith(part), `${part} is no beginning of ${whole}`);
    assert.equal(await page.locator(".written").count(), 0, "the figure is in the place of the text");
    await view(page, "v1").getByRole("button", { name: /^Go on from the text/ }).click();
    await page.getByRole("button", { name: "Use as prompt B" }).click();
    await page.getByText("Prompt B is now the text with what was written").waitFor();
    assert.equal(await page.getByRole("textbox", { name: /^B/ }).inputValue(), whole);
    assert.equal(await page.getByRole("textbox", { name: /^A/ }).inputValue(), PROMPT);
  });

  await h.test("25 a long job shows its progress and is cancelled", async () => {
    await program.keepWorkspace("slow", slow(1));
    const page = await h.open({ hash: "ws=slow" });
    const bar = view(page, "v1").getByRole("progressbar");
    await bar.waitFor();
    await page.waitForFunction(() => Number(document.querySelector("[role=progressbar]")?.getAttribute("aria-valuenow") ?? 0) > 0);
    const first = Number(await bar.getAttribute("aria-valuenow"));
    await page.waitForFunction((first) => Number(document.querySelector("[role=progressbar]")?.getAttribute("aria-valuenow") ?? 0) > first, first);
    // A short question is answered meanwhile.
    await program.answer("norms", { prompt: `While it waits ${Date.now()}` });
    assert.equal(await bar.count(), 1, "the long one is still at it");
    await view(page, "v1").getByRole("button", { name: "Cancel" }).click();
    await view(page, "v1").getByText("Cancelled.").waitFor();
    const tab = await page.evaluate(() => sessionStorage.getItem("pellucid.tab"));
    await until("an end of the job", async () => (await program.ask("GET", `/api/jobs?tab=${tab}`)).some(({ key, state }) => key === page.asked[0].key && state === "cancelled"));
    await view(page, "v1").getByRole("button", { name: "Ask again" }).click();
    await bar.waitFor();
    await view(page, "v1").getByRole("button", { name: "Cancel" }).click();
  });

  await h.test("25 a long job outlives a lost connection and a reload, and is worked out once", async () => {
    await program.keepWorkspace("slow", slow(2));
    const page = await h.open({ hash: "ws=slow", expected: /status of 4\d\d|ERR_INTERNET_DISCONNECTED|ERR_NETWORK/ });
    const bar = view(page, "v1").getByRole("progressbar");
    await bar.waitFor();
    await page.waitForFunction(() => Number(document.querySelector("[role=progressbar]")?.getAttribute("aria-valuenow") ?? 0) > 0);
    const tab = await page.evaluate(() => sessionStorage.getItem("pellucid.tab"));
    const ids = async () => (await program.ask("GET", `/api/jobs?tab=${tab}`)).map(({ id }) => id);
    const before = await ids();
    assert.equal(before.length, 1);
    await page.reload();
    await bar.waitFor();
    assert.deepEqual(await ids(), before, "a reload asks a second time");
    await page.context().setOffline(true);
    await page.waitForTimeout(500);
    await page.context().setOffline(false);
    await settled(page, 1);
    assert.deepEqual(await ids(), before);
    assert.equal(await page.locator(".view [role=alert]").count(), 0);
  });
}
