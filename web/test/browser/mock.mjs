// A stand-in for the program, for work on the page without it: the same routes, answers from the command line
// (PELLUCID names the binary) where there is one, and figures put together here from the typed numbers.
//   node test/browser/mock.mjs [PORT] [DIST]
import { execFile } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";

const BINARY = process.env.PELLUCID ?? "pellucid";
const HERE = path.dirname(fileURLToPath(import.meta.url));
const DIST = path.resolve(HERE, "../../dist");
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".json": "application/json" };
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const run = promisify(execFile);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function ask(args) {
  const { stdout } = await run(BINARY, args, { maxBuffer: 1 << 28 });
  return JSON.parse(stdout);
}

const array = (dims, shape, data) => ({ dims, shape, data });

/** Figures of a few views, out of their typed outputs. */
const DRAW = {
  next_tokens: (o) => ({
    kind: "table",
    title: "What comes next",
    caveats: ["A probability is the network's, not a belief."],
    rows: "pos",
    columns: [
      { name: "token", words: o.tokens },
      { name: "likeliest next", words: array(["pos"], o.tokens.shape, o.tokens.data.map((_, i) => o.top_tokens.data[i * o.top_tokens.shape[1]])) },
      { name: "probability", numbers: array(["pos"], o.tokens.shape, o.tokens.data.map((_, i) => o.top_probs.data[i * o.top_probs.shape[1]])), decimals: 3 },
      { name: "entropy", numbers: o.entropy, decimals: 2 },
    ],
  }),
  logit_lens: (o) => {
    const [layers, pos, k] = o.top_probs.shape;
    const first = (a) => array(["layer", "pos"], [layers, pos], Array.from({ length: layers * pos }, (_, i) => a.data[i * k]));
    return {
      kind: "heatmap",
      title: "Logit lens",
      values: first(o.top_probs),
      labels: first(o.top_tokens),
      colour: { map: "tint", label: "probability" },
      x: { label: "token", ticks: o.tokens.data },
      y: { label: "layer", ticks: Array.from({ length: layers }, (_, i) => (i === 0 ? "embed" : String(i - 1))) },
      upwards: true,
    };
  },
  pattern: (o) => {
    const [l, h, n] = o.pattern.shape;
    if (l * h > 1) return { kind: "heatmap", title: "Induction", values: o.induction, colour: { map: "sequential" }, x: { label: "head" }, y: { label: "layer" } };
    return {
      kind: "heatmap",
      title: `Attention of layer ${o.layers.data[0]}, head ${o.heads.data[0]}`,
      at: [{ axis: "layer", index: o.layers.data[0] }, { axis: "head", index: o.heads.data[0] }],
      values: array(["pos/dst", "pos/src"], [n, n], o.pattern.data),
      colour: { map: "sequential", domain: [0, 1], label: "attention" },
      x: { label: "source", ticks: o.tokens.data },
      y: { label: "destination", ticks: o.tokens.data },
      causal: true,
    };
  },
  direct_logit: (o) => ({
    kind: "heatmap",
    title: `Shares of the heads in the logit of ${JSON.stringify(o.target_tokens.data[0])}`,
    values: o.heads,
    colour: { map: "diverging", label: "logit" },
    x: { label: "head" },
    y: { label: "layer" },
  }),
  norms: (o) => ({
    kind: "heatmap",
    title: "Norms of the residual stream",
    values: o.resid,
    colour: { map: "sequential", label: "norm" },
    x: { label: "token", ticks: o.tokens.data },
    y: { label: "layer" },
  }),
  sample: (o) => ({ kind: "text", title: "Sample", body: o.text, caveats: ["One sample of many."] }),
};

/** A view that a program of the user's would work out; here it counts words. */
const OUTSIDE = {
  name: "words",
  shelf: "outside",
  summary: "How many words the prompt has.",
  help: "How many words the prompt has.",
  schema: { properties: { prompt: { format: "prompt", anyOf: [{ type: "string" }] } }, required: ["prompt"] },
  output_schema: {},
  needs_network: false,
  revision: 1,
  outside: true,
};

const REFERENCE = { version: 1, title: "Two views", models: [{ id: "a", reference: "zoo:talk" }], prompts: [{ id: "p", text: "My fellow citizens" }], edits: [] };
const entry = (id, view, y) => ({ id, view, model: "a", prompt: "p", parameters: {}, follow: {}, place: { x: 0, y, w: 6, h: 8 } });
const BUILT_IN = {
  "two-views": { ...REFERENCE, views: [entry("v1", "next_tokens", 0), entry("v2", "norms", 8)] },
  "from-elsewhere": { ...REFERENCE, title: "From elsewhere", views: [entry("v1", "words", 0), entry("v2", "norms", 8)] },
};

const refuse = (status, message, line) => Object.assign(new Error(message), { status, line });
const migrated = (workspace) => ({ ...workspace, version: 2 });

/** YAML of a document, with its values as JSON, which YAML contains. */
const yaml = (workspace) =>
  Object.entries(workspace)
    .map(([key, value]) => (Array.isArray(value) && value.length ? `${key}:\n${value.map((v) => `- ${JSON.stringify(v)}\n`).join("")}` : `${key}: ${JSON.stringify(value)}\n`))
    .join("");

/** As much of YAML as `yaml` writes. */
function readYaml(text) {
  const out = {};
  let list = null;
  for (const [i, line] of text.split("\n").entries()) {
    const [, key, rest] = /^([a-z]+):(.*)$/.exec(line) ?? [];
    try {
      if (line.startsWith("- ") && list) list.push(JSON.parse(line.slice(2)));
      else if (key && rest.trim() === "") list = out[key] = [];
      else if (key) out[key] = JSON.parse(rest);
      else if (line.trim() !== "") throw new Error();
    } catch {
      throw refuse(400, "this is no workspace", i + 1);
    }
  }
  return out;
}

/**
 * `token`: only with it may one ask, as with the program itself. `kept` stands for the folder of answers, which outlives
 * a server; `start` is what was asked on the command line.
 */
export async function serve(port = 0, dist = DIST, { token = null, kept = new Map(), start = { models: [], prompts: [], workspace: null } } = {}) {
  const started = { id: randomUUID(), ...start };
  const names = ["head_circuits", "pattern", "direct_logit", "head_sources", "saliency", "two", "sample", "detect", "logit_lens", "next_tokens", "promoted_tokens", "norms", "similarity", "spectra"];
  const views = await Promise.all(
    names.map(async (name) => {
      const v = await ask(["views", name, "--json"]);
      const summary = v.help.split("\n")[0];
      return { name, shelf: v.shelf, summary, help: v.help, schema: v.parameters, output_schema: v.output, needs_network: name !== "spectra", revision: v.revision, outside: false };
    }),
  );
  views.push(OUTSIDE);
  const models = await ask(["models", "--json"]);
  const opened = new Map();
  const jobs = new Map();
  const byKey = new Map();
  const streams = new Map();
  const workspaces = new Map(Object.entries(BUILT_IN).map(([name, workspace]) => [name, { name, workspace: migrated(workspace), builtin: true }]));
  const vocabulary = new Map();
  let count = 0;
  let serial = 0;

  async function open(reference) {
    if (opened.has(reference)) return opened.get(reference);
    const [card, points] = await Promise.all([ask(["card", reference, "--json"]), ask(["points", reference, "--json"])]);
    const fits = Object.fromEntries(names.map((n) => [n, n === "saliency" && reference !== "zoo:talk" ? "it has no tokenizer" : null]));
    const { n_layers, n_heads, d_model, d_mlp, d_vocab, n_ctx } = card;
    const made = { id: reference, reference, name: card.name, card, sizes: { n_layers, n_heads, d_model, d_mlp, d_vocab, n_ctx }, points: points.map((p) => ({ name: p.name, axes: p.dims })), checkpoints: [], weights: reference, training: false, fits, chat: typeof card.chat_template === "string" };
    opened.set(reference, made);
    return made;
  }

  async function tokens(model, text) {
    const o = await ask(["view", "norms", model, "--prompt", text, "--json"]);
    o.ids.data.forEach((id, i) => vocabulary.set(id, o.tokens.data[i]));
    return { ids: o.ids.data, tokens: o.tokens.data };
  }

  const view = (job) => ({ id: job.id, key: job.key, state: job.state, done: job.done, of: job.of, text: job.text, error: job.error });

  function tell(job) {
    serial += 1;
    for (const response of streams.get(job.tab) ?? []) response.write(`id: ${serial}\nevent: job\ndata: ${JSON.stringify(view(job))}\n\n`);
  }

  async function work(job) {
    const { model, view: name, parameters, edits } = job.ask;
    const flags = Object.entries(parameters).flatMap(([k, v]) => {
      if (k === "prompt") return Array.isArray(v) ? ["--tokens", v.join(",")] : ["--prompt", v];
      return typeof v === "boolean" ? (v ? [`--${k.replaceAll("_", "-")}`] : []) : [`--${k.replaceAll("_", "-")}=${typeof v === "object" ? JSON.stringify(v) : v}`];
    });
    try {
      job.state = "running";
      const steps = name === "detect" ? 30 : 2;
      for (let i = 0; i < steps; i += 1) {
        [job.done, job.of] = [i, steps];
        tell(job);
        await sleep(name === "detect" ? 150 : 15);
        if (job.state === "cancelled") return;
      }
      const outside = () => ({ text: `${String(parameters.prompt).split(/\s+/).filter(Boolean).length} words` });
      const output = name === OUTSIDE.name ? outside() : await ask(["view", name, model, ...flags, ...edits.flatMap((e) => ["--edit", e]), "--json"]);
      // Text is told while it is written.
      for (const [i, piece] of name === "sample" ? output.tokens.data.entries() : []) {
        [job.done, job.of] = [i, output.tokens.data.length];
        job.text += piece;
        tell(job);
        await sleep(20);
        if (job.state === "cancelled") return;
      }
      const figure = DRAW[name]?.(output) ?? { kind: "text", title: name, body: output.text ?? JSON.stringify(output).slice(0, 4000) };
      kept.set(job.key, { artifact: { key: job.key, kind: "view", ...job.ask, provenance: { model, method: name, seed: parameters.seed ?? null, version: "mock" }, figure }, output });
      job.state = "done";
    } catch (error) {
      job.state = "failed";
      job.error = String(error.stderr || error.message).trim().split("\n").at(-1).replace(/^error: /, "");
    }
    tell(job);
  }

  async function route(request, url, body, response) {
    const [, , name, id, third] = url.pathname.split("/").map(decodeURIComponent);
    const q = url.searchParams;
    const method = request.method;
    if (name === "state") return { version: "mock", start: started, models, opened: [...opened.values()], views };
    if (name === "open") return open(body.reference).catch((e) => { throw refuse(404, String(e.stderr || e.message).trim().replace(/^error: /, "")); });
    if (name === "tokens") return tokens(body.model, body.text);
    if (name === "vocabulary") return [...vocabulary].filter(([, t]) => t.includes(q.get("q"))).slice(0, 20).map(([i, token]) => ({ id: i, token }));
    if (name === "edits") {
      const match = /^([\w.*]+)(\[[^\]]*\])?=(zero|\*-?[\d.]+|noise:[\d.]+(:\d+)?|(mean:|set:|patch:|\+).+)$/.exec(body.edit);
      if (!match) throw refuse(400, "this is no edit; write POINT[WHERE]=zero, =*FACTOR or =patch:PROMPT");
      return { edit: body.edit, point: match[1] };
    }
    if (name === "jobs" && method === "POST") {
      const { tab, allowed, ...rest } = body;
      if (rest.view === OUTSIDE.name && allowed !== true) throw refuse(403, `pellucid-view-${OUTSIDE.name} runs only where it is allowed`);
      const key = createHash("sha256").update(JSON.stringify(rest)).digest("hex").slice(0, 16);
      const known = byKey.get(key);
      if (known && known.state !== "cancelled" && known.state !== "failed") return view(known);
      // Like the program's, ids begin anew with every start.
      count += 1;
      const job = { id: count, key, state: kept.has(key) ? "done" : "queued", done: 0, of: 0, text: "", error: null, tab, ask: rest };
      jobs.set(job.id, job);
      byKey.set(key, job);
      if (job.state === "queued") void work(job);
      return view(job);
    }
    if (name === "jobs" && method === "DELETE") {
      const job = jobs.get(Number(id));
      if (job && (job.state === "queued" || job.state === "running")) {
        job.state = "cancelled";
        tell(job);
      }
      return {};
    }
    if (name === "jobs") return [...jobs.values()].filter((j) => j.tab === q.get("tab")).map(view);
    if (name === "artifacts") {
      const found = kept.get(id);
      if (!found) throw refuse(404, "no such artifact; ask again");
      return third === "export.json" ? found.output : third ? found.artifact.figure : found.artifact;
    }
    if (name === "workspaces" && id === "text" && method === "POST") return { text: yaml(body.workspace) };
    if (name === "workspaces" && id) {
      const known = workspaces.get(id);
      if (method !== "GET" && known?.builtin) throw refuse(409, `${id} comes with the program; choose another name`);
      if (method === "PUT") workspaces.set(id, { name: id, workspace: migrated(body.workspace ?? readYaml(body.text)), builtin: false });
      else if (!known) throw refuse(404, `no workspace is called ${id}`);
      if (method === "DELETE") {
        workspaces.delete(id);
        return {};
      }
      const { name: called, workspace } = workspaces.get(id);
      return { name: called, text: yaml(workspace), workspace };
    }
    if (name === "workspaces") return [...workspaces.values()].map((w) => ({ name: w.name, title: w.workspace.title, builtin: w.builtin }));
    if (name === "events") {
      const tab = q.get("tab");
      response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
      response.write(": hello\n\n");
      const set = streams.get(tab) ?? new Set();
      set.add(response);
      streams.set(tab, set);
      request.on("close", () => set.delete(response));
      return undefined;
    }
    throw refuse(404, "no such address");
  }

  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://localhost");
    response.setHeader("content-security-policy", CSP);
    response.setHeader("x-content-type-options", "nosniff");
    try {
      if (token !== null) {
        if (url.searchParams.get("token") === token) {
          response.writeHead(303, { location: "/", "set-cookie": `mock=${token}; HttpOnly; SameSite=Strict; Path=/` }).end();
          return;
        }
        if (!request.headers.cookie?.includes(`mock=${token}`)) throw refuse(401, "the token is missing: open the address that was printed");
      }
      if (url.pathname.startsWith("/api/")) {
        let text = "";
        for await (const chunk of request) text += chunk;
        const found = await route(request, url, text ? JSON.parse(text) : {}, response);
        if (found !== undefined) response.setHeader("content-type", "application/json").end(JSON.stringify(found));
        return;
      }
      const file = path.join(dist, url.pathname === "/" ? "index.html" : path.normalize(url.pathname));
      response.setHeader("content-type", TYPES[path.extname(file)] ?? "application/octet-stream").end(await readFile(file));
    } catch (error) {
      response.writeHead(error.status ?? (error.code === "ENOENT" ? 404 : 500), { "content-type": "application/json" });
      response.end(JSON.stringify({ error: error.message, line: error.line }));
    }
  });
  await new Promise((done) => server.listen(port, "127.0.0.1", done));
  return { url: `http://127.0.0.1:${server.address().port}/${token === null ? "" : `?token=${token}`}`, close: () => { server.closeAllConnections(); server.close(); } };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { url } = await serve(Number(process.argv[2] ?? 0), process.argv[3] ? path.resolve(process.argv[3]) : DIST);
  console.log(url);
}
