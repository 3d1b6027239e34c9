// The page as a person uses it, in a real browser on the real program: the thirty points of a list (by their numbers),
// and what a hostile page, a hostile file or a killed server may do to it.
//   node test/browser/all.mjs [WORD...]      only tests whose name contains a word; SHOTS=DIR keeps pictures of failures
import { access } from "./access.mjs";
import { accessibility } from "./accessibility.mjs";
import { exports } from "./exports.mjs";
import { figures } from "./figures.mjs";
import { forms } from "./forms.mjs";
import { Harness, Program } from "./harness.mjs";
import { hostile } from "./hostile.mjs";
import { jobs } from "./jobs.mjs";
import { layout } from "./layout.mjs";
import { numbers } from "./numbers.mjs";
import { restart } from "./restart.mjs";
import { selection } from "./selection.mjs";
import { workspaces } from "./workspaces.mjs";

const program = await Program.start();
const h = await Harness.start({ program });
try {
  for (const part of [access, hostile, jobs, restart, selection, workspaces, layout, forms, numbers, figures, exports, accessibility]) await part(h);
} finally {
  await h.end();
  await program.remove();
}
process.exit(h.failures ? 1 : 0);
