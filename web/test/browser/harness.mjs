// What the tests in a browser share: the program in a folder of its own, pages that are watched, and a count of failures.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import AxeBuilder from "@axe-core/playwright";
import { chromium } from "playwright-core";

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
const TARGET = process.env.CARGO_TARGET_DIR ?? path.join(ROOT, "target");
export const BINARY = path.resolve(ROOT, process.env.PELLUCID ?? path.join(TARGET, "debug/pellucid"));
/** As the demo workspace names it. */
export const SMOLLM2 = "SmolLM2-135M-Instruct.Q4_1";
const SMOLLM2_FILE = path.join(ROOT, "models", `${SMOLLM2}.gguf`);
const PATIENCE = 30_000;
export const CHROMIUM = {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
};

/** Programs that work out views, as a person has them on the path: the examples of the documentation. */
const PLUG_INS = path.join(ROOT, "docs/plug-ins");

/** The program serving, with a folder and a cache of its own. */
export class Program {
  static async start({ place, port = 0, args = [] } = {}) {
    const program = new Program();
    program.place = place ?? (await mkdtemp(path.join(os.tmpdir(), "pellucid-web-")));
    // Models are looked for below the folder that the program is started in.
    if (!place) await symlink(path.join(ROOT, "models"), path.join(program.place, "models"));
    program.cache = path.join(program.place, "cache");
    program.process = spawn(BINARY, ["open", "--no-browser", "--cache", program.cache, "--port", String(port), ...args], {
      cwd: program.place,
      env: { ...process.env, PATH: `${PLUG_INS}${path.delimiter}${process.env.PATH}` },
      stdio: ["ignore", "pipe", "ignore"],
    });
    // A script that breaks off leaves no server behind.
    process.once("exit", () => program.process.kill("SIGKILL"));
    program.url = await new Promise((resolve, reject) => {
      let text = "";
      program.process.stdout.on("data", (part) => {
        text += part;
        if (text.includes("\n")) resolve(text.trim());
      });
      program.process.on("error", reject);
      program.process.on("exit", (code) => reject(new Error(`the program ended with ${code} before it served`)));
    });
    const { origin, port: served, searchParams } = new URL(program.url);
    Object.assign(program, { origin, port: Number(served), token: searchParams.get("token") });
    return program;
  }

  get cookie() {
    return `pellucid-${this.port}=${this.token}`;
  }

  /** A request with any headers, such as a browser would not send. */
  raw(method, address, headers = {}, body = undefined) {
    return new Promise((resolve, reject) => {
      const request = http.request({ host: "127.0.0.1", port: this.port, method, path: address, headers, agent: false }, (response) => {
        const parts = [];
        response.on("data", (part) => parts.push(part));
        response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) }));
        response.on("error", reject);
      });
      request.on("error", reject);
      request.end(body);
    });
  }

  /** As the page asks; the answer as JSON, or as bytes with its headers. */
  async ask(method, address, body = undefined) {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = { cookie: this.cookie, ...(text === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }) };
    const answer = await this.raw(method, address, headers, text);
    if (answer.status >= 400) throw new Error(`${method} ${address}: ${answer.status} ${answer.body}`);
    return answer.headers["content-type"]?.startsWith("application/json") ? JSON.parse(answer.body) : answer;
  }

  /** The key of an answer, worked out if it is not there. */
  async answer(view, parameters, { model = "zoo:talk", edits = [], against } = {}) {
    const job = await this.ask("POST", "/api/jobs", { model, view, parameters, edits, ...(against ? { against } : {}), tab: "harness" });
    for (let now = job; ; now = (await this.ask("GET", "/api/jobs?tab=harness")).find((other) => other.id === job.id)) {
      if (now.state === "done") return now.key;
      if (now.state === "failed" || now.state === "cancelled") throw new Error(`${view}: ${now.state}: ${now.error}`);
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  /** The typed numbers of an answer. */
  async numbers(view, parameters, more) {
    return this.ask("GET", `/api/artifacts/${await this.answer(view, parameters, more)}/export.json`);
  }

  /** An array of an artifact as it lies on disk. */
  async array(key, number) {
    const { headers, body } = await this.ask("GET", `/api/artifacts/${key}/arrays/${number}`);
    const bytes = body.buffer.slice(body.byteOffset, body.byteOffset + body.byteLength);
    const kinds = { f32: Float32Array, f64: Float64Array, u32: Uint32Array };
    return { shape: headers["x-shape"].split(",").map(Number), dims: headers["x-dims"].split(","), data: new kinds[headers["x-dtype"]](bytes) };
  }

  /**
   * Puts another figure in the place of an answer's, as if the view had drawn it: the way to have any kind of figure,
   * with any content, from the real server. `arrays` are typed arrays that the figure refers to by `array(n)`.
   */
  async plant(key, make, arrays = []) {
    const folder = path.join(this.cache, key);
    const file = path.join(folder, "artifact.json");
    const artifact = JSON.parse(await readFile(file, "utf8"));
    const names = new Map([[Float32Array, "f32"], [Float64Array, "f64"], [Uint32Array, "u32"]]);
    const dtype = (n) => names.get(arrays[n].constructor);
    const referring = (n, dims, shape) => ({ dims, shape, dtype: dtype(n), ref: `/api/artifacts/${key}/arrays/${n}` });
    artifact.arrays = [];
    artifact.figure = make((n, dims, shape = [arrays[n].length]) => {
      artifact.arrays[n] = { dims, shape, dtype: dtype(n) };
      return referring(n, dims, shape);
    });
    for (const [n, array] of arrays.entries()) await writeFile(path.join(folder, `${n}.bin`), Buffer.from(array.buffer));
    await writeFile(file, JSON.stringify(artifact));
  }

  async keepWorkspace(name, workspace) {
    await this.ask("PUT", `/api/workspaces/${encodeURIComponent(name)}`, typeof workspace === "string" ? { text: workspace } : { workspace });
  }

  async end(signal = "SIGTERM") {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const gone = new Promise((done) => this.process.once("exit", done));
    this.process.kill(signal);
    await gone;
  }

  async remove() {
    await this.end();
    await rm(this.place, { recursive: true, force: true });
  }
}

/** What came of the tests, of several browsers together. */
export class Tally {
  passed = 0;
  failures = 0;
  left = 0;
  since = Date.now();

  /** Tells the sum, and the status to end with. */
  tell() {
    const left = this.left ? `, ${this.left} left out` : "";
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

  /** One point of the list. A page that it gives is closed, and has to have been quiet. */
  async test(name, body) {
    if (!this.wants(name)) return;
    const contexts = this.browser.contexts();
    const since = Date.now();
    try {
      await body();
      for (const page of this.browser.contexts().filter((c) => !contexts.includes(c)).flatMap((c) => c.pages())) {
        assert.deepEqual(page.noise ?? [], [], "the console is not quiet");
        const violations = await page.evaluate(() => window.violations ?? []).catch(() => []);
        if (!page.hostile) assert.deepEqual(violations, [], "the policy was violated");
      }
      this.tally.passed += 1;
      console.log(`ok    ${name}${process.env.TIMES ? ` (${Date.now() - since} ms)` : ""}`);
    } catch (error) {
      this.tally.failures += 1;
      console.log(`FAIL  ${name}\n      ${String(error.stack ?? error).split("\n").slice(0, 8).join("\n      ")}`);
      await this.picture(name);
    }
    for (const context of this.browser.contexts()) if (!contexts.includes(context)) await context.close();
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
