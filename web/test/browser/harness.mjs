// What the tests in a browser share: pages that are watched, and a count of failures.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import AxeBuilder from "@axe-core/playwright";
import { chromium } from "playwright-core";
import { SMOLLM2_FILE } from "./program.mjs";

export { BINARY, Program, ROOT, SMOLLM2 } from "./program.mjs";

const PATIENCE = 30_000;
export const CHROMIUM = {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
};

/** What came of the tests, of several browsers together. */
export class Tally {
  passed = 0;
  failures = 0;
  /** Of those that passed, how many did so the second time. */
  again = 0;
  left = 0;
  since = Date.now();

  /** Tells the sum, and the status to end with. */
  tell() {
    const left = (this.again ? `, ${this.again} at the second try` : "") + (this.left ? `, ${this.left} left out` : "");
    console.log(`browser: ${this.passed} passed, ${this.failures} failed${left}, in ${Math.round((Date.now() - this.since) / 1000)} s`);
    if (this.passed + this.failures + this.left > 0) return this.failures ? 1 : 0;
    console.log(`no test is called ${process.argv.slice(2).join(" or ")}`);
    return 1;
  }
}

/** Opens pages on one server in a browser of its own, watches what they say and where they go, and counts what fails. */
export class Harness {
  static async start({ program = null, url = program?.url, tally = new Tally() } = {}) {
    const harness = new Harness();
    harness.program = program;
    harness.url = url;
    harness.tally = tally;
    harness.wanted = process.argv.slice(2).map((word) => word.toLowerCase());
    harness.browser = await chromium.launch(CHROMIUM);
    return harness;
  }

  /**
   * A page in a fresh browser context. `expected` are console errors that are part of the play; `prepare` is given the
   * page before anything is loaded.
   */
  async open({ hash = "", expected = /status of 4\d\d/, program = this.program, settle = 0, prepare, ...options } = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    const url = program?.url ?? this.url;
    const { origin } = new URL(url);
    page.noise = [];
    page.asked = [];
    page.on("console", (m) => {
      if (m.type() === "error" && !expected.test(m.text())) page.noise.push(m.text());
    });
    page.on("pageerror", (e) => page.noise.push(e.stack ?? String(e)));
    page.on("request", (r) => {
      if (!r.url().startsWith(`${origin}/`) && !/^(data|blob|file|about):/.test(r.url())) page.noise.push(`left the machine: ${r.url()}`);
    });
    page.on("response", async (r) => {
      if (r.request().method() !== "POST" || !r.url().endsWith("/api/jobs") || !r.ok()) return;
      const body = await r.json().catch(() => null);
      if (body) page.asked.push({ ...r.request().postDataJSON(), key: body.key, state: body.state });
    });
    // Violations of the policy are also reported where nothing is written to the console.
    await page.addInitScript(() => {
      window.violations = [];
      document.addEventListener("securitypolicyviolation", (e) => window.violations.push(`${e.violatedDirective} ${e.blockedURI}`));
    });
    await prepare?.(page);
    // With what stands behind # a page is opened as one that has the cookie already; the token would lead to it by a second load.
    if (hash) {
      if (program) await context.addCookies([{ name: `pellucid-${program.port}`, value: program.token, url: origin, httpOnly: true, sameSite: "Strict" }]);
      else await page.goto(url.replace(/#.*/, "")).then(() => page.goto("about:blank"));
      await page.goto(`${origin}/#${hash.replace(/^#/, "")}`);
    } else await page.goto(url);
    if (settle) await settled(page, settle);
    return page;
  }

  /** Whether a test is to be run: one of the words is in its name, or there are none. */
  wants(name) {
    return !this.wanted.length || this.wanted.some((word) => name.toLowerCase().includes(word));
  }

  /**
   * One point of the list. Pages that it opens have to be quiet, and are closed. A test that fails is tried once more, for a
   * machine may be busy with other things; that it was is told.
   */
  async test(name, body) {
    if (!this.wants(name)) return;
    const since = Date.now();
    const first = await this.attempt(name, body);
    if (first) console.log(`again ${name}\n      ${first}`);
    const error = first && (await this.attempt(name, body));
    if (error) {
      this.tally.failures += 1;
      console.log(`FAIL  ${name}\n      ${error}`);
    } else {
      this.tally.passed += 1;
      this.tally.again += first ? 1 : 0;
      console.log(`ok    ${name}${process.env.TIMES ? ` (${Date.now() - since} ms)` : ""}`);
    }
  }

  /** What is wrong, in a few lines; nothing if all is well. */
  async attempt(name, body) {
    const others = this.browser.contexts();
    const opened = () => this.browser.contexts().filter((context) => !others.includes(context));
    try {
      await body();
      for (const page of opened().flatMap((context) => context.pages())) {
        assert.deepEqual(page.noise ?? [], [], "the console is not quiet");
        const violations = await page.evaluate(() => window.violations ?? []).catch(() => []);
        if (!page.hostile) assert.deepEqual(violations, [], "the policy was violated");
      }
      return "";
    } catch (error) {
      await this.picture(name);
      return String(error.stack ?? error).split("\n").slice(0, 8).join("\n      ");
    } finally {
      await Promise.all(opened().map((context) => context.close()));
    }
  }

  /** Says what is not tested, and why. */
  leaveOut(name, why) {
    if (!this.wants(name)) return;
    this.tally.left += 1;
    console.log(`left  ${name}: ${why}`);
  }

  /** A test on the real network, which CI has to have. */
  async testOnSmolLM2(name, body) {
    if (existsSync(SMOLLM2_FILE)) await this.test(name, body);
    else if (process.env.CI) await this.test(name, () => assert.fail(`${SMOLLM2_FILE} is missing: ./run models`));
    else this.leaveOut(name, "SmolLM2 is not there (./run models fetches it)");
  }

  async picture(name) {
    if (!process.env.SHOTS) return;
    await mkdir(process.env.SHOTS, { recursive: true });
    const page = this.browser.contexts().at(-1)?.pages().at(-1);
    const file = `failed-${name.replace(/[^a-z0-9]+/gi, "-").slice(0, 60)}.png`;
    await page?.screenshot({ path: path.join(process.env.SHOTS, file) }).catch(() => undefined);
  }
}

/** All views have their answers. */
export async function settled(page, views = 6) {
  await page.waitForFunction((n) => document.querySelectorAll(".view:has(.figures .fig)").length >= n, views, { timeout: PATIENCE });
  await page.waitForFunction(() => document.querySelectorAll(".view .body[aria-busy=true], .fig-wait").length === 0, null, { timeout: PATIENCE });
}

/** Waits for something that only this side can see. */
export async function until(what, holds) {
  for (const end = Date.now() + PATIENCE; !(await holds()); await new Promise((done) => setTimeout(done, 50))) assert.ok(Date.now() < end, `${what}: it does not happen`);
}

/** The bus tells of a change in the next frame; after two, everything is painted. */
export const frames = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 10)))));

export const view = (page, id) => page.locator(`[data-view="${id}"]`);
export const viewsOf = (page) => page.locator(".view").count();
export const readout = (page) => page.locator("footer output").textContent();

/** How many marks a view has lit: tokens and rows by class, canvases by painted pixels of their upper layer. */
export const lit = (page, id) =>
  view(page, id).evaluate((el) => {
    const marks = el.querySelectorAll(".fig-token.hover, .fig-token.pin, .fig-row.hover, .fig-row.pin").length;
    let pixels = 0;
    for (const canvas of el.querySelectorAll(".fig-top")) {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      for (let i = 3; i < data.length; i += 4) if (data[i]) pixels += 1;
    }
    return marks + pixels;
  });

/** No serious finding of axe. */
export async function axe(page, what) {
  // In the page itself: a page of its own for each result takes longer than the search.
  const { violations } = await new AxeBuilder({ page }).setLegacyMode().options({ resultTypes: ["violations"] }).analyze();
  const bad = violations.filter((v) => v.impact === "serious" || v.impact === "critical");
  const told = bad.map((v) => `${v.id}: ${v.help}\n        ${v.nodes.slice(0, 4).map((n) => n.html.slice(0, 200)).join("\n        ")}`);
  assert.equal(bad.length, 0, `axe, ${what}: ${told.join("\n      ")}`);
}

/** A workspace with these views of one model and prompts, side by side. */
export function workspace(views, { version = 1, model = "zoo:talk", models = [{ id: "a", reference: model }], prompts = [{ id: "p", text: PROMPT }], ...more } = {}) {
  const placed = views.map((v, i) => ({
    id: `v${i + 1}`,
    model: "a",
    prompt: "p",
    parameters: {},
    follow: {},
    place: { x: (i % 2) * 6, y: Math.floor(i / 2) * 10, w: 6, h: 10 },
    ...v,
  }));
  return { version, title: "Test", models, prompts, edits: [], views: placed, ...more };
}

/** What the page asks about at first. */
export const PROMPT = "My fellow citizens, the state of the Union is strong, and the state of the";
