// The shell as a person uses it: by mouse, by keyboard alone, and under axe.
//   node test/browser/shell.mjs [URL]      without URL against the mock server; SHOTS=DIR writes pictures
import assert from "node:assert/strict";
import AxeBuilder from "@axe-core/playwright";
import { chromium } from "playwright-core";
import { serve } from "./mock.mjs";

const given = process.argv[2];
const mock = given ? null : await serve(0, process.env.DIST ?? undefined);
const url = given ?? mock.url;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const noise = [];
let failures = 0;

async function open(options = {}, address = url) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  page.on("console", (m) => {
    // Refused edits and unknown workspaces are part of the play.
    if (m.type() === "error" && !/status of 4\d\d/.test(m.text())) noise.push(m.text());
  });
  page.on("pageerror", (e) => noise.push(String(e)));
  page.on("request", (r) => {
    if (!r.url().startsWith(new URL(url).origin) && !/^(data|blob):/.test(r.url())) noise.push(`left the machine: ${r.url()}`);
  });
  // A fresh browser has no cookie: the address with the token comes first.
  if (given && address !== url) {
    await page.goto(url);
    await page.goto("about:blank");
  }
  await page.goto(address);
  return page;
}

const settled = async (page, n = 6) => {
  await page.waitForFunction((n) => document.querySelectorAll(".view .figures").length >= n, n, { timeout: 30_000 });
  await page.waitForFunction(() => document.querySelectorAll(".view .body[aria-busy=true]").length === 0, null, { timeout: 30_000 });
};
const place = (page, id) => page.locator(`[data-view=${id}]`).evaluate((el) => [el.style.gridColumn, el.style.gridRow].join(" | "));
const count = (page) => page.locator(".view").count();

async function axe(page, what) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const bad = violations.filter((v) => v.impact === "serious" || v.impact === "critical");
  for (const v of bad) console.error(`axe, ${what}: ${v.id}: ${v.help}\n  ${v.nodes.slice(0, 4).map((n) => n.html.slice(0, 200)).join("\n  ")}`);
  assert.equal(bad.length, 0, `axe finds ${bad.map((v) => v.id)} in ${what}`);
}

async function test(name, body) {
  try {
    await body();
    console.log(`ok    ${name}`);
  } catch (error) {
    failures += 1;
    console.log(`FAIL  ${name}\n      ${String(error.stack ?? error).split("\n").slice(0, 6).join("\n      ")}`);
  }
}

await test("the first page asks six views", async () => {
  const page = await open();
  const since = Date.now();
  await settled(page);
  console.log(`      ${Date.now() - since} ms`);
  assert.equal(await count(page), 6);
  assert.deepEqual(await page.locator(".token").first().textContent(), "My");
  assert.match(await page.locator(".token").nth(1).textContent(), /^·fellow$/);
  await axe(page, "the first page");
  await page.context().close();
});

await test("views are added from the palette, moved, resized, maximised and removed by mouse", async () => {
  const page = await open();
  await settled(page);
  await page.keyboard.press("Control+k");
  await page.keyboard.type("similar");
  await axe(page, "the palette");
  await page.keyboard.press("Enter");
  await settled(page, 7);
  assert.equal(await count(page), 7);
  const before = await place(page, "v1");
  await page.locator("main").evaluate((el) => el.scrollTo(0, 0));
  const grip = await page.locator("[data-view=v1] .grip").boundingBox();
  await page.mouse.move(grip.x + 20, grip.y + 8);
  await page.mouse.down();
  await page.mouse.move(grip.x + 300, grip.y + 8, { steps: 5 });
  await page.mouse.move(grip.x + 620, grip.y + 8, { steps: 5 });
  await page.mouse.up();
  assert.notEqual(await place(page, "v1"), before);
  await page.keyboard.press("Control+z");
  assert.equal(await place(page, "v1"), before);
  const corner = await page.locator("[data-view=v1] .corner").boundingBox();
  await page.mouse.move(corner.x + 5, corner.y + 5);
  await page.mouse.down();
  await page.mouse.move(corner.x - 230, corner.y - 90, { steps: 6 });
  await page.mouse.up();
  assert.equal(await place(page, "v1"), "1 / span 3 | 1 / span 8");
  await page.locator("[data-view=v2] .tools").getByRole("button", { name: /Maximise/ }).click();
  const box = await page.locator("[data-view=v2]").boundingBox();
  assert.ok(box.width > 1400, `maximised to ${box.width}`);
  await page.keyboard.press("Escape");
  await page.locator("[data-view=v2] .tools").getByRole("button", { name: /Remove/ }).click();
  assert.equal(await count(page), 6);
  await page.context().close();
});

await test("all of it works by keyboard alone", async () => {
  const page = await open();
  await settled(page);
  // Tab reaches the figures one by one; Esc leads from a figure to its view's title.
  for (let i = 0; i < 30; i += 1) {
    await page.keyboard.press("Tab");
    if (await page.evaluate(() => document.activeElement?.closest("[data-view]"))) break;
  }
  assert.equal(await page.evaluate(() => document.activeElement?.closest("[data-view]")?.dataset.view), "v1");
  // One stop per figure: the next view is as many away as this one has.
  const stops = await page.locator("[data-view=v1] .figures [tabindex='0']").count();
  for (let i = 0; i < stops; i += 1) await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.closest("[data-view]")?.dataset.view), "v2");
  for (let i = 0; i < stops; i += 1) await page.keyboard.press("Shift+Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.closest("[data-view]")?.dataset.view), "v1");
  const before = await place(page, "v1");
  await page.keyboard.press("Alt+ArrowRight");
  assert.notEqual(await place(page, "v1"), before);
  await page.keyboard.press("Alt+Shift+ArrowDown");
  assert.match(await place(page, "v1"), /span 11$/);
  await page.keyboard.press("f");
  assert.equal(await page.locator(".view.maximised").count(), 1);
  await page.keyboard.press("Escape");
  assert.equal(await page.locator(".view.maximised").count(), 0);
  await page.keyboard.press("Enter");
  assert.ok(await page.evaluate(() => document.activeElement.closest("[data-view=v1] .body") !== null), "Enter goes in");
  for (let i = 0; i < 3; i += 1) await page.keyboard.press("Escape");
  assert.ok(await page.evaluate(() => document.activeElement.classList.contains("grip")), "Esc comes out");
  await page.keyboard.press("Delete");
  assert.equal(await count(page), 5);
  await page.keyboard.press("Control+z");
  assert.equal(await count(page), 6);
  await page.keyboard.press("?");
  await page.getByRole("dialog").waitFor();
  await axe(page, "the help");
  await page.keyboard.press("Escape");
  await page.keyboard.press("]");
  await page.keyboard.press("]");
  await page.waitForFunction(() => /layer 1/.test(document.querySelector("[data-view=v3] summary").textContent));
  await settled(page);
  await page.keyboard.press("[");
  await page.waitForFunction(() => /layer 0/.test(document.querySelector("[data-view=v3] summary").textContent));
  await page.keyboard.press("/");
  await page.keyboard.type("Union");
  await page.locator("dialog [role=option]").first().waitFor();
  await page.keyboard.press("Enter");
  await page.locator(".token.pinned").waitFor();
  assert.match(await page.locator("footer").textContent(), /pos/);
  await page.context().close();
});

await test("forms change what is asked and refuse what does not fit", async () => {
  const page = await open();
  await settled(page);
  const view = page.locator("[data-view=v3]");
  await view.locator(".parameters summary").click();
  await axe(page, "a form");
  const layer = view.getByLabel("layer", { exact: true });
  await layer.fill("9");
  await layer.press("Enter");
  assert.equal(await layer.getAttribute("aria-invalid"), "true");
  const asked = page.waitForRequest((r) => r.url().endsWith("/api/jobs") && r.method() === "POST");
  await layer.fill("2");
  await layer.press("Enter");
  assert.equal((await asked).postDataJSON().parameters.layer, 2);
  await settled(page);
  await page.context().close();
});

await test("edits are made, switched, removed and undone; before and after are shown", async () => {
  const page = await open();
  await settled(page);
  await page.getByRole("button", { name: "Add an edit" }).click();
  await page.getByLabel("point", { exact: true }).fill("blocks.1.attn.z");
  await page.getByLabel("where").fill("head=9;");
  await page.getByLabel("change").selectOption("other");
  await page.getByLabel("operation").fill("nonsense");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.locator(".edits form .bad").waitFor();
  await page.getByLabel("where").fill("head=1");
  await page.getByLabel("change").selectOption("zero");
  const asked = page.waitForRequest((r) => r.url().endsWith("/api/jobs") && r.method() === "POST");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  assert.deepEqual((await asked).postDataJSON().edits, ["blocks.1.attn.z[head=1]=zero"]);
  await settled(page);
  await page.locator("[data-view=v2]").getByLabel("What is shown").selectOption("edits");
  await page.locator("[data-view=v2] .kind-compare").first().waitFor();
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
  await page.context().close();
});

await test("a long job shows progress and is cancelled", async () => {
  const page = await open();
  await settled(page);
  await page.keyboard.press("Control+k");
  await page.keyboard.type("detect");
  await page.keyboard.press("Enter");
  const view = page.locator("[data-view=v7]");
  if (!mock) return void (await page.context().close());
  await view.locator(".job").waitFor();
  await view.getByRole("button", { name: "Cancel" }).click();
  await view.getByText("Cancelled.").waitFor();
  await view.getByRole("button", { name: "Ask again" }).click();
  await settled(page, 7);
  await page.context().close();
});

await test("a failed question says why", async () => {
  const page = await open();
  await settled(page);
  await page.getByRole("button", { name: "Add an edit" }).click();
  await page.getByLabel("point", { exact: true }).fill("blocks.77.attn.z");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  // The program refuses it in the form; the mock only when asked.
  await page.locator(".view [role=alert], .edits form .bad").first().waitFor();
  await page.context().close();
});

await test("workspaces are kept, saved, loaded and linked to", async () => {
  const page = await open();
  await settled(page);
  await page.getByRole("button", { name: "Remove sample" }).click();
  await page.locator(".token").nth(3).click();
  await page.waitForTimeout(600);
  assert.match(page.url(), /sel=pos@prompt:[0-9a-f]{8}=3/);
  await page.reload();
  await settled(page, 5);
  assert.equal(await count(page), 5);
  await page.locator(".token.pinned").waitFor();
  const name = `shell-test-${Date.now()}`;
  await page.keyboard.press("Control+s");
  await axe(page, "the workspace dialog");
  await page.getByLabel("name", { exact: true }).fill(name);
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText("saved", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Edit as text" }).click();
  await page.getByLabel("text", { exact: true }).fill("version: [");
  await page.getByRole("button", { name: "Save this text" }).click();
  assert.match(await page.locator("dialog [role=alert]").textContent(), /line/i);
  await page.keyboard.press("Escape");
  await page.waitForTimeout(500);
  const link = page.url();
  assert.ok(link.includes(`ws=${name}`) && link.length < 2000);
  const other = await open({}, link);
  await settled(other, 5);
  assert.equal(await count(other), 5);
  await other.locator(".token.pinned").waitFor();
  assert.equal(await other.locator(".token.pinned").textContent(), await page.locator(".token.pinned").textContent());
  await other.context().close();
  // The path.
  await page.getByRole("button", { name: "Path", exact: true }).click();
  await page.getByRole("button", { name: "Add a step here" }).click();
  await page.getByLabel("Text of the step").fill("Look here first.");
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByText("Look here first.").waitFor();
  await axe(page, "the path");
  await page.context().close();
});

for (const [name, options] of [
  ["light", { colorScheme: "light" }],
  ["dark", { colorScheme: "dark" }],
  ["1024", { viewport: { width: 1024, height: 768 } }],
  ["zoom200", { viewport: { width: 640, height: 450 }, deviceScaleFactor: 2 }],
]) {
  await test(`nothing is cut off: ${name}`, async () => {
    const page = await open(options);
    await settled(page);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(over <= 0, `${over} pixels too wide`);
    await axe(page, name);
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/${name}.png` });
    await page.context().close();
  });
}

await test("the console is quiet", () => assert.deepEqual(noise, []));

await browser.close();
mock?.close();
process.exit(failures ? 1 : 0);
