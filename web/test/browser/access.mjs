// Points 1 to 4: who may open the page, and what the page may reach.
import assert from "node:assert/strict";
import { settled } from "./harness.mjs";

export async function access(h) {
  const { program } = h;
  const host = `127.0.0.1:${program.port}`;

  await h.test("1 the address that is printed opens the page, and its token leaves the address bar", async () => {
    const page = await h.open({ settle: 6 });
    assert.ok(program.url.includes(program.token));
    assert.ok(!page.url().includes(program.token), page.url());
    const [cookie] = await page.context().cookies();
    assert.equal(cookie.value, program.token);
    assert.ok(cookie.httpOnly && cookie.sameSite === "Strict", JSON.stringify(cookie));
    assert.equal(await page.evaluate(() => document.cookie), "", "no script reads it");
    const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state, document.referrer]));
    assert.ok(!kept.includes(program.token), "the page keeps the token nowhere");
  });

  await h.test("2 a missing token is 401, another origin 403, another host 421", async () => {
    const status = async (address, headers) => (await program.raw("GET", address, headers)).status;
    const cookie = program.cookie;
    for (const address of ["/", "/api/state", "/api/events?tab=x", "/assets/x.js", "/?token=0", `/?token=${program.token.slice(1)}`]) {
      assert.equal(await status(address, { host }), 401, address);
    }
    assert.equal(await status("/api/state", { host, cookie: cookie.slice(0, -1) }), 401);
    assert.equal(await status("/api/state", { host, cookie }), 200);
    for (const origin of ["http://evil.example", `http://localhost:${program.port}`, `https://${host}`, "null"]) {
      assert.equal(await status("/api/state", { host, cookie, origin }), 403, origin);
    }
    for (const other of ["evil.example", `evil.example:${program.port}`, "127.0.0.1.evil.example", "0.0.0.0"]) {
      assert.equal(await status("/api/state", { host: other, cookie }), 421, other);
      assert.equal(await status(`/?token=${program.token}`, { host: other }), 421, `${other} with the token`);
    }
    // Through a tunnel the port is another.
    assert.equal(await status("/api/state", { host: "localhost:9", cookie }), 200);
  });

  await h.test("2 a browser without the token sees why, and nothing else", async () => {
    const context = await h.browser.newContext();
    const page = await context.newPage();
    const answer = await page.goto(`${program.origin}/`);
    assert.equal(answer.status(), 401);
    assert.match(await page.textContent("body"), /token is missing/);
    assert.equal((await context.cookies()).length, 0);
  });

  await h.test("3 no request leaves the machine, whatever is opened", async () => {
    const page = await h.open({ settle: 6 });
    const hosts = new Set();
    page.on("request", (r) => /^http/.test(r.url()) && hosts.add(new URL(r.url()).host));
    await page.reload();
    await settled(page);
    for (const key of ["Control+k", "Escape", "?", "Escape", "/", "Escape", "Control+s", "Escape"]) await page.keyboard.press(key);
    assert.deepEqual([...hosts], [host]);
    // Neither does what is on the page name another.
    const named = await page.evaluate(() => [...document.querySelectorAll("[src],link[href]")].map((el) => el.src || el.href).filter((a) => new URL(a).host !== location.host));
    assert.deepEqual(named, []);
  });

  await h.test("4 the console is quiet and the policy holds: no script from outside, none inline", async () => {
    const page = await h.open({ settle: 6 });
    assert.deepEqual(page.noise, []);
    assert.deepEqual(await page.evaluate(() => window.violations), []);
    // The policy is there, not only unviolated.
    page.hostile = true;
    // (Playwright's own evaluation is not under the page's policy, so that `eval` cannot be tried here.)
    const ran = await page.evaluate(async () => {
      const inline = document.createElement("script");
      inline.textContent = "window.ran = true";
      document.body.append(inline);
      const button = document.createElement("button");
      button.setAttribute("onclick", "window.ran = true");
      document.body.append(button);
      button.click();
      const fetched = await fetch("http://127.0.0.1:9/").then(() => true, () => false);
      // What was violated is told in a task of its own.
      await new Promise((done) => setTimeout(done, 200));
      return { ran: window.ran === true, fetched, violations: window.violations.length };
    });
    assert.equal(ran.ran, false);
    assert.equal(ran.fetched, false);
    assert.ok(ran.violations >= 3, JSON.stringify(ran));
    page.noise.length = 0;
  });
}
