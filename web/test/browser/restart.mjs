// The server killed in the middle of a job and started again: the page reconnects, nothing is lost, nothing done twice.
import assert from "node:assert/strict";
import { Program, settled, view, workspace } from "./harness.mjs";

const tokens = (n) => Array.from({ length: n }, (_, i) => 3 + ((i * 11) % 200));
const state = (page) => page.locator(".view").evaluateAll((all) => all.map((el) => [el.dataset.view, el.style.gridColumn, el.style.gridRow].join(" ")));

export async function restart(h) {
  await h.test("restart: after a kill in the middle of a job the page reconnects, and finished answers are used again", async () => {
    const first = await Program.start();
    try {
      const prompts = [{ id: "p", text: "The state of the Union" }, { id: "q", tokens: tokens(250) }];
      const quick = ["next_tokens", "norms", "logit_lens"].map((view) => ({ view }));
      await first.keepWorkspace("long", workspace([...quick, { view: "saliency", prompt: "q" }], { prompts }));
      // While the server is away, the browser says so in the console.
      const page = await h.open({ program: first, hash: "ws=long", expected: /status of 4\d\d|ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/ });
      await settledBut(page, "v4");
      await view(page, "v1").locator(".fig-token").nth(2).click();
      await view(page, "v2").locator(".grip").focus();
      await page.keyboard.press("Alt+Shift+ArrowDown");
      await page.waitForTimeout(600);
      const [places, pins] = [await state(page), await page.locator("footer .muted").first().textContent()];
      assert.match(pins, /pos 2/);
      const finished = page.asked.filter(({ view }) => view !== "saliency").map(({ key }) => key);
      await page.waitForFunction(() => Number(document.querySelector("[role=progressbar]")?.getAttribute("aria-valuenow") ?? 0) > 0);
      await first.end("SIGKILL");
      await page.getByText(/no connection to the program/).waitFor();
      // What is there stays there.
      assert.deepEqual(await state(page), places);
      assert.ok(await view(page, "v1").locator(".fig-token").count());

      const second = await Program.start({ place: first.place, port: first.port });
      try {
        assert.equal(second.token, first.token, "the token lasts, so that the page need not be opened anew");
        await page.getByText(/no connection to the program/).waitFor({ state: "hidden" });
        await settled(page, 4);
        assert.equal(await page.locator(".view [role=alert]").count(), 0);
        assert.deepEqual(await state(page), places);
        assert.equal(await page.locator("footer .muted").first().textContent(), pins);
        // Asked again, each answer is there already.
        page.asked.length = 0;
        await page.reload();
        await settled(page, 4);
        assert.equal(page.asked.length, 4);
        for (const { view, key, state } of page.asked) assert.equal(state, "done", `${view} (${key}) is worked out a second time`);
        assert.deepEqual(page.asked.filter(({ view }) => view !== "saliency").map(({ key }) => key).sort(), [...finished].sort());
        assert.deepEqual(await state(page), places);
      } finally {
        await second.end();
      }
    } finally {
      await first.remove();
    }
  });
}

/** All views but one have their answers. */
async function settledBut(page, id) {
  await page.waitForFunction((id) => {
    const views = [...document.querySelectorAll(".view")];
    return views.length === 4 && views.every((el) => el.dataset.view === id || (el.querySelector(".figures .fig") && el.querySelector(".body[aria-busy=false]")));
  }, id);
}
