// The parts of the page that need no program, on the mock server: for work on the shell alone.
//   PELLUCID=PROGRAM node test/browser/shell.mjs [WORD...]      only tests whose name contains a word; SHOTS=DIR keeps pictures of failures
import { dialogs } from "./accessibility.mjs";
import { forms } from "./forms.mjs";
import { Harness } from "./harness.mjs";
import { layout } from "./layout.mjs";
import { serve } from "./mock.mjs";
import { kept } from "./workspaces.mjs";

const mock = await serve(0, process.env.DIST);
const h = await Harness.start({ url: mock.url });
try {
  for (const part of [layout, forms, kept, dialogs]) await part(h);
} finally {
  await h.browser.close();
  mock.close();
}
process.exit(h.tally.tell());
