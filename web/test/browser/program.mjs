// The program itself, serving: in a folder of its own, asked as the page asks and as nobody should.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
const TARGET = process.env.CARGO_TARGET_DIR ?? path.join(ROOT, "target");
export const BINARY = path.resolve(ROOT, process.env.PELLUCID ?? path.join(TARGET, "debug/pellucid"));
/** As the demo workspace names it. */
export const SMOLLM2 = "SmolLM2-135M-Instruct.Q4_1";
export const SMOLLM2_FILE = path.join(ROOT, "models", `${SMOLLM2}.gguf`);

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
