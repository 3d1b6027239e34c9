// The gallery of figures in Chromium: what all.mjs checks of it, how quick it is, and pictures of it in $SHOTS.
// SHOTS=FOLDER node test/browser/gallery.mjs
import { chromium } from "playwright-core";
import { benches } from "./gallery.bench.mjs";
import { galleryChecks, serveGallery } from "./gallery.checks.mjs";
import { CHROMIUM } from "./harness.mjs";

const shots = process.env.SHOTS;
const browser = await chromium.launch(CHROMIUM);
const { open, close } = await serveGallery(browser);
let failed = false;
async function check(name, run) {
  try {
    const said = await run();
    console.log(`ok   ${name}${said ? `: ${said}` : ""}`);
  } catch (error) {
    failed = true;
    console.log(`FAIL ${name}: ${String(error?.message ?? error).split("\n").slice(0, 4).join(" | ")}`);
  }
}
try {
  await galleryChecks({ open, check, shots });
  await benches({ open, check });
} finally {
  await browser.close();
  await close();
}
process.exit(failed ? 1 : 0);
