// The page as a person uses it, in a real browser on the real program: the thirty points of a list (by their numbers),
// and what a hostile page, a hostile file or a killed server may do to it.
//   node test/browser/all.mjs [WORD...]      only tests whose name contains a word; SHOTS=DIR keeps pictures of failures
import { access } from "./access.mjs";
import { accessibility } from "./accessibility.mjs";
import { attention } from "./attention.mjs";
import { cause } from "./cause.mjs";
import { compared } from "./compared.mjs";
import { exports } from "./exports.mjs";
import { figures } from "./figures.mjs";
import { forms } from "./forms.mjs";
import { gallery } from "./gallery.checks.mjs";
import { Harness, Program, Tally } from "./harness.mjs";
import { hostile } from "./hostile.mjs";
import { jobs } from "./jobs.mjs";
import { layout } from "./layout.mjs";
import { marks } from "./marks.mjs";
import { numbers } from "./numbers.mjs";
import { outside } from "./outside.mjs";
import { restart } from "./restart.mjs";
import { selection } from "./selection.mjs";
import { training } from "./training.mjs";
import { workspaces } from "./workspaces.mjs";

// Those that take longest come first, so that both end at about the same time.
const PARTS = [layout, cause, accessibility, numbers, figures, workspaces, selection, exports, gallery, hostile, jobs, training, restart, attention, marks, forms, compared, outside, access];
/** Each has a program and a browser of its own: half of a test is waiting. */
const LANES = 2;

const tally = new Tally();
const waiting = [...PARTS];
async function lane() {
  const program = await Program.start();
  const h = await Harness.start({ program, tally });
  try {
    for (let part = waiting.shift(); part; part = waiting.shift()) await part(h);
  } finally {
    await h.browser.close();
    await program.remove();
  }
}
await Promise.all(Array.from({ length: LANES }, lane));
process.exit(tally.tell());
