// A page of another origin that knows the right port, and files and names made to do harm: nothing is read, nothing changed.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { PROMPT, settled, workspace } from "./harness.mjs";

/** Another server on this machine, with an empty page on which anything may be run. */
async function attacker() {
  const server = createServer((_, response) => response.setHeader("content-type", "text/html").end("<!doctype html><title>another page</title><body>"));
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { port: server.address().port, close: () => (server.closeAllConnections(), server.close()) };
}

/** Everything that a page may try without leave; gives what it could read. Runs in the browser. */
async function attack({ target, key }) {
  const read = [];
  const going = [];
  const tried = (name, made) => void going.push(made.then((found) => found && read.push(`${name}: ${String(found).slice(0, 60)}`)).catch(() => undefined));
  const soon = (make) => Promise.race([make(), new Promise((done) => setTimeout(done, 2500))]);
  const body = JSON.stringify({ model: "zoo:talk", view: "norms", parameters: { prompt: "evil" }, edits: [], tab: "evil" });
  const get = (address, init) => fetch(target + address, { credentials: "include", ...init }).then((r) => r.text());
  const simple = { method: "POST", mode: "no-cors", headers: { "content-type": "text/plain" }, body };
  tried("fetch", get("/api/state"));
  tried("fetch of the page", get("/"));
  tried("fetch of an answer", get(`/api/artifacts/${key}`));
  tried("post", get("/api/jobs", simple));
  tried("json", get("/api/jobs", { method: "POST", headers: { "content-type": "application/json" }, body }));
  tried("put", get("/api/workspaces/evil", { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify({ text: "version: 1\ntitle: evil\n" }) }));
  tried("delete", get("/api/jobs/1", { method: "DELETE" }));
  tried("beacon", Promise.resolve(navigator.sendBeacon(`${target}/api/jobs`, new Blob([body], { type: "text/plain" })) && ""));
  // A form that is sent into a frame, its body made to be JSON.
  for (const enctype of ["text/plain", "application/x-www-form-urlencoded"]) {
    const frame = Object.assign(document.createElement("iframe"), { name: `f${Math.random()}` });
    const form = Object.assign(document.createElement("form"), { method: "POST", action: `${target}/api/jobs`, enctype, target: frame.name });
    const field = Object.assign(document.createElement("input"), { name: body.slice(0, -1), value: '"x":1}' });
    form.append(field);
    document.body.append(frame, form);
    form.submit();
  }
  const element = (name, tag, attribute, address, seen) =>
    tried(name, soon(() => new Promise((done) => {
      const el = document.createElement(tag);
      el.onload = () => done(seen(el));
      el.onerror = () => done("");
      el[attribute] = target + address;
      document.body.append(el);
    })));
  element("image", "img", "src", `/api/artifacts/${key}/export.png`, (el) => el.naturalWidth && `${el.naturalWidth} wide`);
  element("script", "script", "src", `/api/artifacts/${key}/export.json`, () => "it ran");
  element("style", "link", "href", "/", (el) => el.sheet && "a sheet");
  element("frame", "iframe", "src", "/", (el) => {
    try {
      return el.contentDocument.body.innerText;
    } catch {
      return "";
    }
  });
  tried("events", soon(() => new Promise((done) => {
    const source = new EventSource(`${target}/api/events?tab=evil`, { withCredentials: true });
    source.onopen = () => done("an open stream");
    source.onerror = () => done("");
  })));
  tried("socket", soon(() => new Promise((done) => {
    const socket = new WebSocket(`${target.replace("http", "ws")}/api/events?tab=evil`);
    socket.onopen = () => done("an open socket");
    socket.onerror = () => done("");
  })));
  const opened = window.open(`${target}/`, "_blank");
  await new Promise((done) => setTimeout(done, 1500));
  tried("window", Promise.resolve().then(() => opened && !opened.closed && opened.document.body.innerText));
  await Promise.all(going);
  return read;
}

export async function hostile(h) {
  const { program } = h;

  for (const host of ["127.0.0.1", "localhost"]) {
    await h.test(`hostile: a page of ${host === "127.0.0.1" ? "another port" : "another host"} reads nothing and changes nothing`, async () => {
      const other = await attacker();
      const key = await program.answer("norms", { prompt: PROMPT });
      const standing = async () => ({
        workspaces: await program.ask("GET", "/api/workspaces"),
        opened: (await program.ask("GET", "/api/state")).opened.map(({ id }) => id),
        evil: (await program.ask("GET", "/api/jobs?tab=evil")).length,
        answers: (await readdir(program.cache)).length,
      });
      // The victim is signed in, in the same browser.
      const page = await h.open({ settle: 6 });
      await page.waitForTimeout(600);
      const desk = await page.evaluate(() => localStorage.getItem("pellucid.desk"));
      const before = await standing();
      const evil = await page.context().newPage();
      evil.hostile = true;
      await evil.goto(`http://${host}:${other.port}/`);
      const read = await evil.evaluate(attack, { target: program.origin, key });
      assert.deepEqual(read, []);
      await evil.waitForTimeout(500);
      const after = await standing();
      assert.deepEqual(after.workspaces, before.workspaces);
      assert.deepEqual(after.opened, before.opened);
      assert.equal(after.evil, 0, "a job of the hostile page was taken on");
      assert.equal(after.answers, before.answers);
      assert.equal(await page.evaluate(() => localStorage.getItem("pellucid.desk")), desk);
      other.close();
    });
  }

  await h.test("hostile: names of workspaces and artifacts lead nowhere else", async () => {
    const send = (method, address, body) => program.raw(method, address, { cookie: program.cookie, host: `127.0.0.1:${program.port}`, ...(body ? { "content-type": "application/json", "content-length": Buffer.byteLength(body) } : {}) }, body);
    const good = JSON.stringify({ workspace: workspace([]) });
    for (const name of ["..%2F..%2Fout", "%2e%2e%2fout", "..%5Cout", "%2Fetc%2Fpasswd", "a%2Fb", "a%00b", "..", ".hidden", "con%0Atrol", "x".repeat(101), "%20"]) {
      const put = await send("PUT", `/api/workspaces/${name}`, good);
      assert.ok(put.status >= 400 && put.status < 500, `${name}: ${put.status}`);
      const got = await send("GET", `/api/workspaces/${name}`);
      assert.ok(got.status >= 400 && got.status < 500, `${name}: ${got.status}`);
      assert.ok(!/root:/.test(got.body));
    }
    assert.ok(!existsSync(path.join(program.place, "out.wb.yaml")) && !existsSync(path.join(program.place, "..", "out.wb.yaml")));
    for (const address of ["/api/artifacts/..%2F..%2F", "/api/artifacts/..%2fworkspaces/export.json", "/api/artifacts/%2e%2e/arrays/0", "/..%2f..%2fetc/passwd", "/assets/..%2f..%2fCargo.toml", "//etc/passwd"]) {
      const { status, body } = await send("GET", address);
      assert.ok(status === 404 || status === 400 || /<!doctype html>/i.test(body), `${address}: ${status}`);
      assert.ok(!/root:|\[package\]/.test(body), address);
    }
    for (const kept of await readdir(path.join(program.place, "workspaces")).catch(() => [])) assert.ok(kept.endsWith(".wb.yaml"), kept);
  });

  await h.test("hostile: a workspace of 100 MB is refused, sent or lying there, and the page stays usable", async () => {
    const hundred = Buffer.alloc(100 << 20, "#");
    const headers = { cookie: program.cookie, host: `127.0.0.1:${program.port}`, "content-type": "application/json", "content-length": hundred.length };
    // The server need not read to the end what it refuses: then the connection breaks off.
    const sent = await program.raw("PUT", "/api/workspaces/huge", headers, hundred).catch((error) => ({ status: 0, error }));
    assert.ok(sent.status === 413 || ["EPIPE", "ECONNRESET"].includes(sent.error?.code), JSON.stringify(sent));
    assert.equal((await program.raw("GET", "/api/workspaces/huge", { cookie: program.cookie })).status, 404);
    await program.keepWorkspace("makes the folder", workspace([]));
    const file = path.join(program.place, "workspaces", "vast.wb.yaml");
    const { writeFile, rm } = await import("node:fs/promises");
    await writeFile(file, hundred);
    const page = await h.open({ hash: "ws=vast" });
    await page.locator("[role=alert]").first().waitFor();
    assert.match(await page.locator("[role=alert]").first().textContent(), /vast.*(at most|large)/s);
    const names = (await program.ask("GET", "/api/workspaces")).map(({ name }) => name);
    assert.ok(!names.includes("vast") && names.includes("first-steps"), String(names));
    await page.getByTitle("Open or save a workspace").click();
    await page.getByRole("button", { name: /^first-steps/ }).click();
    await settled(page);
    await rm(file);
    // What is sent through the dialog is refused with a reason, not by silence.
    await page.getByTitle("Open or save a workspace").click();
    await page.getByLabel("name", { exact: true }).fill("too long");
    await page.getByRole("button", { name: "Edit as text" }).click();
    await page.getByLabel("text", { exact: true }).evaluate((el) => {
      el.value = `version: 1\ntitle: x\nnotes: ${"n".repeat(2 << 20)}\n`;
      el.dispatchEvent(new Event("input", { bubbles: true }));
    });
    await page.getByRole("button", { name: "Save this text" }).click();
    assert.match(await page.locator("dialog [role=alert]").textContent(), /at most/);
    assert.ok(!existsSync(path.join(program.place, "workspaces", "too long.wb.yaml")));
    assert.ok((await readFile(path.join(program.place, "workspaces", "makes the folder.wb.yaml"))).length < 10_000);
  });
}
