// Times the page: from a cold browser to the first paint and to six views, and from the pointer to what it lights.
//   PELLUCID=PROGRAM node test/browser/bench.mjs [--rounds N] [--write]      --write puts the table into docs/performance.md
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { createServer } from "vite";
import { frames, Harness, Program, ROOT, view } from "./harness.mjs";
import { brushable, brushUpperRight, inUpperRight, POINTS } from "./selection.mjs";

const option = (name, or) => (process.argv.includes(name) ? Number(process.argv[process.argv.indexOf(name) + 1]) : or);
const rounds = option("--rounds", 7);
const MOVES = 120;
const DOCUMENT = path.join(ROOT, "docs/performance.md");
const [BEGIN, END] = ["<!-- page: begin -->", "<!-- page: end -->"];

const sorted = (times) => [...times].sort((a, b) => a - b);
const median = (times) => sorted(times)[times.length >> 1];
const p95 = (times) => sorted(times)[Math.min(times.length - 1, Math.ceil(times.length * 0.95) - 1)];

/** Runs in the page before anything else: notes when all views have been drawn. */
function watchViews() {
  window.readyAfter = null;
  const look = () => {
    const views = [...document.querySelectorAll(".view")];
    const drawn = views.filter((el) => el.querySelector(".figures .fig") && !el.querySelector(".fig-wait") && el.querySelector(".body[aria-busy=false]"));
    if (views.length === 6 && drawn.length === 6) window.readyAfter = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

/** One fresh browser on one server: [first paint, six views ready], in ms since the page was asked for. */
async function opening(program) {
  const h = await Harness.start();
  const page = await h.open({ program, prepare: (fresh) => fresh.addInitScript(watchViews), hash: "ws=first-steps" });
  await page.waitForFunction(() => window.readyAfter !== null);
  const times = await page.evaluate(() => [performance.getEntriesByName("first-contentful-paint")[0].startTime, window.readyAfter]);
  await h.browser.close();
  return times;
}

/** Runs in the page: notes, for each move of the pointer, how long after it the frame with the highlights was made. */
function watchMoves() {
  window.moves = [];
  addEventListener(
    "pointermove",
    // Asked for before the bus asks for its own, in the same frame; the task after it comes when that frame is made.
    ({ timeStamp }) => requestAnimationFrame(() => setTimeout(() => window.moves.push(performance.now() - timeStamp))),
    { capture: true },
  );
}

async function hovering(h) {
  const server = await createServer({ root: path.join(ROOT, "web"), server: { port: 5188 }, logLevel: "error" });
  await server.listen();
  const [address] = server.resolvedUrls.local;
  const context = await h.browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  await page.goto(`${address}gallery.html?bench`);
  await page.waitForFunction("window.gallery?.handles.length > 0");
  await page.waitForTimeout(3000);
  await page.evaluate(watchMoves);
  const times = {};
  const cards = { "a cell of 144 tiles": "#card0 .fig-top", "one of 50,000 tokens": "#card1 .fig-tokens", "one of 20,000 points": "#card2 .fig-top" };
  for (const [name, selector] of Object.entries(cards)) {
    const target = page.locator(selector);
    await target.evaluate((el) => el.scrollIntoView({ block: "start" }));
    await page.waitForTimeout(500);
    const box = await target.boundingBox();
    const [wide, tall] = [Math.min(box.width, 1300) - 200, Math.min(box.height, 700) - 60];
    await page.evaluate(() => void (window.moves.length = 0));
    for (let i = 0; i < MOVES; i += 1) {
      await page.mouse.move(box.x + 60 + wide * ((i * 0.618) % 1), box.y + 30 + tall * ((i * 0.414) % 1));
      await page.waitForFunction((n) => window.moves.length >= n, i + 1);
    }
    times[name] = await page.evaluate(() => window.moves);
  }
  await context.close();
  await server.close();
  return times;
}

/** How many points a brush leaves in the views that share its dim, beside how many there are in the array. */
async function brushing(h, program) {
  const { keys } = await brushable({ program }, "bench");
  const truth = inUpperRight(await program.array(keys[0], 0), await program.array(keys[0], 1)).length;
  const page = await h.open({ hash: "ws=bench", program, settle: 4 });
  await brushUpperRight(page, "v1");
  await frames(page);
  const told = [await view(page, "v3").locator(".fig-count").textContent()];
  await view(page, "v2").getByRole("button", { name: "Show as table" }).click();
  told.push(await view(page, "v2").locator(".fig-count").textContent());
  const counts = told.map((text) => Number(text.split(" ")[0].replaceAll(",", "")));
  assert.deepEqual(counts, [truth, truth], "the brush does not hold what the array holds");
  await page.context().close();
  return truth;
}

const h = await Harness.start();
const chromium = h.browser.version();
const [paint, cold, warm] = [[], [], []];
let truth;
for (let round = 0; round < rounds; round += 1) {
  const program = await Program.start();
  try {
    // At first nothing is open and no answer is kept; then another browser finds all of it.
    const [first, ready] = await opening(program);
    paint.push(first);
    cold.push(ready);
    const [again, there] = await opening(program);
    paint.push(again);
    warm.push(there);
    truth ??= await brushing(h, program);
  } finally {
    await program.remove();
  }
}
const hover = await hovering(h);
await h.browser.close();

const rows = [
  ["first paint", "1000 ms", paint],
  ["six views of the demonstration, nothing worked out before", "2000 ms", cold],
  ["the same, answers kept", "2000 ms", warm],
  ...Object.entries(hover).map(([name, times]) => [`pointer on ${name} to the frame that lights it in all views`, "50 ms", times]),
];
const table = [
  `${os.cpus()[0].model.trim()}, ${os.cpus().length} logical cores, ${os.type()}; Chromium ${chromium}, no GPU; ${rounds} rounds in fresh browsers, ${MOVES} moves of the pointer each.`,
  "",
  "| what | asked | median | 95th percentile |",
  "|---|---:|---:|---:|",
  ...rows.map(([name, asked, times]) => `| ${name} | ${asked} | ${median(times).toFixed(0)} ms | ${p95(times).toFixed(0)} ms |`),
  "",
  `A brush over ${POINTS.toLocaleString("en")} points leaves ${truth.toLocaleString("en")} in each linked view, as many as the arrays have there.`,
].join("\n");
console.log(table);
if (process.argv.includes("--write")) {
  const page = await readFile(DOCUMENT, "utf8");
  const [before, rest] = page.split(BEGIN);
  await writeFile(DOCUMENT, `${before}${BEGIN}\n${table}\n${END}${rest.split(END)[1]}`);
}
process.exit(0);
