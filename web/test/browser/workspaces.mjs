// Points 13 to 16: what is on the page is kept, saved, linked to and read again, whoever wrote it.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { axe, frames, settled, view, viewsOf, workspace } from "./harness.mjs";
import { brushable, brushUpperRight } from "./selection.mjs";

/** The address follows what is pinned, a moment later. */
const linked = (page) => page.waitForFunction(() => /sel=/.test(location.hash));
const places = (page) => page.locator(".view").evaluateAll((all) => all.map((el) => [el.dataset.view, el.style.gridColumn, el.style.gridRow].join(" ")));

/** All that is painted in the views: canvases by their pixels, the rest by its words and classes. */
const picture = (page) =>
  page.locator(".view .figures").evaluateAll((all) =>
    all.map((el) => [el.textContent, ...[...el.querySelectorAll("canvas")].map((canvas) => canvas.toDataURL()), ...[...el.querySelectorAll("[class*=fig-token], [data-line]")].map((mark) => mark.className)].join("\n")),
  );

export async function kept(h) {
  await h.test("13 pins and layout survive a reload", async () => {
    const page = await h.open({ settle: 6 });
    await page.getByRole("button", { name: "Remove sample" }).click();
    await view(page, "v1").locator(".grip").focus();
    await page.keyboard.press("Alt+Shift+ArrowDown");
    await page.locator(".token").nth(3).click();
    await linked(page);
    await page.waitForTimeout(600);
    assert.match(page.url(), /sel=pos@prompt:[0-9a-f]{8}=3/);
    const before = await places(page);
    await page.reload();
    await settled(page, 5);
    assert.deepEqual(await places(page), before);
    await page.locator(".token.pinned").waitFor();
    assert.equal(await page.locator(".token.pinned").count(), 1);
  });

  await h.test("15 a workspace is saved, edited as text, refused where it is none, and loaded", async () => {
    const page = await h.open({ settle: 6 });
    const name = `kept-${Date.now()}`;
    await page.keyboard.press("Control+s");
    await axe(page, "the workspace dialog");
    await page.getByLabel("name", { exact: true }).fill(name);
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await page.getByText("saved", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Edit as text" }).click();
    const text = page.getByLabel("text", { exact: true });
    const good = await text.inputValue();
    await text.fill("version: [");
    await page.getByRole("button", { name: "Save this text" }).click();
    assert.match(await page.locator("dialog [role=alert]").textContent(), /line/i);
    await text.fill(good.replace("First look", "Second look"));
    await page.getByRole("button", { name: "Save this text" }).click();
    await page.getByText("saved", { exact: true }).waitFor();
    await page.keyboard.press("Escape");
    await settled(page);
    const other = await h.open({ hash: `ws=${name}`, settle: 6 });
    await other.getByTitle("Open or save a workspace").click();
    assert.equal(await other.getByLabel("title", { exact: true }).inputValue(), "Second look");
    assert.deepEqual(await places(other), await places(page));
  });

  await h.test("the path of a workspace is written above its views", async () => {
    const page = await h.open({ settle: 6 });
    await page.getByRole("button", { name: "Path", exact: true }).click();
    await page.getByRole("button", { name: "Add a step here" }).click();
    await page.getByLabel("Text of the step").fill("Look here first.");
    await page.getByRole("button", { name: "Done" }).click();
    await page.getByText("Look here first.").waitFor();
    await axe(page, "the path");
  });
}

export async function workspaces(h) {
  const { program } = h;
  const folder = path.join(program.place, "workspaces");
  await kept(h);

  await h.test("14 a permalink gives the same picture in a fresh browser", async () => {
    await program.keepWorkspace("linked-to", workspace([{ view: "next_tokens" }, { view: "logit_lens" }, { view: "norms" }, { view: "pattern", parameters: { layer: 0 }, follow: { layer: true } }]));
    const page = await h.open({ hash: "ws=linked-to", settle: 4 });
    await view(page, "v1").locator(".fig-token").nth(5).click();
    await view(page, "v1").locator(".fig-token").nth(9).click({ modifiers: ["Control"] });
    await page.keyboard.press("]");
    await page.mouse.move(2, 2);
    await linked(page);
    await page.waitForTimeout(900);
    await settled(page, 4);
    await frames(page);
    const link = new URL(page.url());
    assert.ok(link.hash.length < 2000 && link.hash.includes("ws=linked-to"), link.hash);
    const other = await h.open({ hash: link.hash, settle: 4 });
    await other.mouse.move(2, 2);
    await other.waitForTimeout(900);
    await settled(other, 4);
    await frames(other);
    assert.equal(await other.locator("footer .muted").first().textContent(), await page.locator("footer .muted").first().textContent());
    assert.deepEqual(await picture(other), await picture(page));
  });

  await h.test("13 an address does not replace what is not saved before the person chose", async () => {
    await program.keepWorkspace("kept-a", workspace([{ view: "norms" }]));
    await program.keepWorkspace("kept-b", workspace([{ view: "next_tokens" }, { view: "norms" }], { title: "The other" }));
    const page = await h.open({ hash: "ws=kept-a", settle: 1 });
    await view(page, "v1").locator(".grip").focus();
    await page.keyboard.press("Alt+Shift+ArrowDown");
    const changed = await places(page);
    await page.evaluate(() => (location.hash = "ws=kept-b"));
    await page.getByText("This address opens kept-b; what is here is not saved.").waitFor();
    await settled(page, 1);
    assert.deepEqual(await places(page), changed);
    await axe(page, "the choice");
    await page.getByRole("button", { name: "Keep what is here" }).click();
    await page.waitForFunction(() => location.hash === "#ws=kept-a");
    await page.evaluate(() => (location.hash = "ws=kept-b"));
    await page.getByRole("button", { name: "Open kept-b" }).click();
    await settled(page, 2);
    assert.equal(await viewsOf(page), 2);
    await page.getByRole("button", { name: "Restore it" }).click();
    await settled(page, 1);
    assert.deepEqual(await places(page), changed);
    await page.waitForFunction(() => location.hash === "#ws=kept-a");
  });

  await h.test("13 what the command line asks is taken once, and what it replaces can be had back", async () => {
    let start = { id: "first", models: [], prompts: ["Once upon"], workspace: null };
    const page = await h.open({
      prepare: (fresh) =>
        fresh.route("**/api/state", async (route) => {
          const response = await route.fetch();
          await route.fulfill({ response, json: { ...(await response.json()), start } });
        }),
      settle: 6,
    });
    const prompt = page.locator(".prompt textarea").first();
    assert.equal(await prompt.inputValue(), "Once upon");
    await prompt.fill("Once upon a time");
    await page.waitForTimeout(600);
    await page.reload();
    await settled(page, 6);
    assert.equal(await prompt.inputValue(), "Once upon a time");
    start = { id: "second", models: [], prompts: [], workspace: "first-steps" };
    await page.reload();
    await page.locator("[data-view=lens]").waitFor();
    await page.getByRole("button", { name: "Restore it" }).click();
    await page.locator("[data-view=v2]").waitFor();
    assert.equal(await prompt.inputValue(), "Once upon a time");
    await Promise.all([page.waitForEvent("load"), page.evaluate(() => (location.hash = "model=zoo:modular&prompt=other"))]);
    await page.locator("[data-view=v2]").waitFor();
    assert.equal(await prompt.inputValue(), "Once upon a time");
  });

  await h.test("13 a brush in a workspace that is saved survives a reload", async () => {
    await brushable(h, "brushed");
    const page = await h.open({ hash: "ws=brushed", settle: 4 });
    await brushUpperRight(page, "v1");
    await page.waitForTimeout(700);
    const filters = () => page.evaluate(() => Object.keys(JSON.parse(localStorage.getItem("pellucid.desk")).workspace.selection.filters));
    assert.deepEqual(await filters(), ["v1"]);
    const before = await picture(page);
    await page.reload();
    await settled(page, 4);
    await frames(page);
    await page.waitForTimeout(700);
    assert.deepEqual(await filters(), ["v1"]);
    assert.deepEqual((await picture(page)).slice(1), before.slice(1));
  });

  await h.test("15 a workspace is renamed and deleted, once that is said twice", async () => {
    for (const name of ["to be renamed", "to be deleted"]) await program.keepWorkspace(name, workspace([{ view: "norms" }]));
    const file = (name) => path.join(folder, `${name}.wb.yaml`);
    const page = await h.open({ hash: "ws=to be renamed", settle: 1 });
    const dialog = page.getByRole("dialog");
    await page.getByTitle("Open or save a workspace").click();
    assert.equal(await dialog.getByRole("button", { name: "Delete first-steps" }).count(), 0, "what comes with the program stays");
    await dialog.getByRole("button", { name: "Rename to be renamed" }).click();
    const name = dialog.getByLabel("New name of to be renamed");
    await name.fill("to be deleted");
    await name.press("Enter");
    await dialog.getByRole("alert").waitFor();
    assert.ok(existsSync(file("to be renamed")), "a name that is taken is not taken over");
    await name.fill("renamed");
    await name.press("Enter");
    await dialog.getByRole("button", { name: "Rename renamed" }).waitFor();
    assert.ok(existsSync(file("renamed")) && !existsSync(file("to be renamed")));
    await axe(page, "saved workspaces");
    await dialog.getByRole("button", { name: "Delete to be deleted" }).click();
    assert.ok(existsSync(file("to be deleted")), "deleted at the first word");
    await page.keyboard.press("Escape");
    assert.equal(await dialog.count(), 1, "Esc takes the question back, and nothing else");
    await dialog.getByRole("button", { name: "Delete to be deleted" }).click();
    await dialog.getByRole("button", { name: "Delete to be deleted for good" }).click();
    await dialog.getByRole("button", { name: /^Delete to be deleted/ }).waitFor({ state: "detached" });
    assert.ok(!existsSync(file("to be deleted")));
    await page.keyboard.press("Escape");
    // The page goes on under the new name.
    await page.getByTitle("Open or save a workspace").getByText("renamed").waitFor();
    await page.waitForFunction(() => /ws=renamed/.test(location.hash));
  });

  await h.test("15 a workspace of the first version is read as one of this", async () => {
    const old = [
      "version: 1",
      "title: From long ago",
      "models:",
      '- {id: a, reference: "zoo:talk"}',
      "prompts:",
      "- {id: p, text: The state of the Union}",
      "edits:",
      '- {text: "blocks.0.attn.z[head=0]=zero", on: false}',
      "views:",
      "- {id: one, view: next_tokens, model: a, prompt: p, place: {x: 0, y: 0, w: 6, h: 12}}",
      "- {id: two, view: norms, model: a, prompt: p, place: {x: 6, y: 0, w: 6, h: 12}}",
      "path:",
      "- {title: One, text: Look.}",
    ];
    await program.keepWorkspace("makes the folder", workspace([]));
    await writeFile(path.join(folder, "old.wb.yaml"), old.join("\n"));
    const { workspace: read } = await program.ask("GET", "/api/workspaces/old");
    assert.equal(read.version, 2);
    const page = await h.open({ hash: "ws=old", settle: 2 });
    assert.equal(await viewsOf(page), 2);
    assert.equal(await page.locator(".chip.off").count(), 1);
    await page.getByText("Look.", { exact: true }).waitFor();
    // Reading changes no file, saving does.
    assert.match(await readFile(path.join(folder, "old.wb.yaml"), "utf8"), /^version: 1/);
    await view(page, "one").locator(".grip").focus();
    await page.keyboard.press("Alt+Shift+ArrowDown");
    await page.keyboard.press("Control+s");
    await page.waitForFunction(() => /Saved as old/.test(document.querySelector("footer output").textContent));
    assert.match(await readFile(path.join(folder, "old.wb.yaml"), "utf8"), /^version: 2/);
  });

  await h.test("16 a malformed workspace is refused with its line, and nothing of it is run", async () => {
    await program.keepWorkspace("makes the folder", workspace([]));
    const head = 'version: 1\ntitle: "<img src=x onerror=\'window.ran = 1\'>"\n';
    const bad = {
      broken: `${head}models: [\n`,
      foreign: `${head}models: []\nrun: "rm -rf /"\n`,
      tagged: `${head}notes: !!python/object/apply:os.system ["touch ran"]\n`,
      future: "version: 99\ntitle: x\n",
      wide: `${head}models: [{id: a, reference: "zoo:talk"}]\nviews:\n- {id: v, view: norms, model: a, place: {x: 9, y: 0, w: 9, h: 1}}\n`,
      laughing: `${head}a: &a [x, x, x, x, x, x, x, x]\n${"bcdefghij".split("").map((c, i) => `${c}: &${c} [${Array(8).fill(`*${"abcdefghij"[i]}`).join(", ")}]`).join("\n")}\n`,
    };
    const lines = { broken: 3, foreign: 4, tagged: 3 };
    for (const [name, text] of Object.entries(bad)) {
      await writeFile(path.join(folder, `${name}.wb.yaml`), text);
      const answer = await program.raw("GET", `/api/workspaces/${name}`, { cookie: program.cookie });
      const told = JSON.parse(answer.body);
      if (name === "tagged" && answer.status === 200) {
        // A tag that nobody knows may also be no more than words.
        assert.ok(!existsSync(path.join(program.place, "ran")));
        continue;
      }
      assert.equal(answer.status, 400, `${name}: ${answer.body}`);
      assert.ok(told.error.length > 5 && !told.error.includes("\n"), told.error);
      if (name in lines) assert.ok(Math.abs(told.line - lines[name]) <= 1, `${name}: line ${told.line}`);
    }
    const page = await h.open({ hash: "ws=foreign" });
    const alert = page.locator("[role=alert]").first();
    await alert.waitFor();
    assert.match(await alert.textContent(), /line 4|Line 4/);
    assert.equal(await page.evaluate(() => window.ran), undefined);
    assert.ok(!existsSync(path.join(program.place, "ran")));
  });
}
