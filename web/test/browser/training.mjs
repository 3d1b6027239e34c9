// Networks at the steps of their training, and while they are being trained.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import path from "node:path";
import { axe, BINARY, settled, until, view, workspace } from "./harness.mjs";

export async function training(h) {
  const { program } = h;

  await h.test("a slider goes through the steps of a training, and every view follows", async () => {
    const page = await h.open({ hash: "ws=grokking", settle: 6 });
    const slider = page.getByRole("slider", { name: "Step of training of model A" });
    const answers = async () => (await view(page, "next").innerText()).replace(/\s+/g, " ");
    assert.equal(await slider.getAttribute("aria-valuetext"), "trained");
    // 57 + 83 is 27 modulo 113.
    assert.match(await answers(), / 2 = .* 27 100%/);
    const before = page.asked.length;
    await slider.focus();
    for (let i = 0; i < 6; i += 1) await page.keyboard.press("ArrowLeft");
    assert.equal(await slider.getAttribute("aria-valuetext"), "step 1500");
    await until("no view shows step 1500", async () => !/ 27 100%/.test(await answers()));
    await settled(page, 6);
    assert.ok(await slider.evaluate((element) => element === document.activeElement), "the slider has lost the keyboard");
    const asked = new Set(page.asked.slice(before).filter((job) => job.model === "zoo:sums@1500").map((job) => job.view));
    assert.equal(asked.size, 6, [...asked].join(" "));
    await axe(page, "a step of a training");
    await page.keyboard.press("End");
    await until("the trained network is not shown again", async () => / 2 = .* 27 100%/.test(await answers()));
  });

  await h.test("a training that goes on is followed, and its curve grows by itself", async () => {
    const model = path.join(program.place, `followed-${Date.now()}`);
    const sizes = ["--modulus", "23", "--d-model", "32", "--heads", "1", "--d-mlp", "64"];
    const course = ["--until", "0", "--steps", "1000000", "--evaluate", "20", "-o", model];
    const training = spawn(BINARY, ["train", "modular-addition", ...sizes, ...course], { stdio: "ignore" });
    try {
      await until("the training has saved nothing", async () => (await program.ask("POST", "/api/open", { reference: model }).catch(() => null))?.training === true);
      await program.keepWorkspace("followed", workspace([{ view: "progress", prompt: null }], { model, prompts: [] }));
      const page = await h.open({ hash: "ws=followed", settle: 1 });
      const keys = () => new Set(page.asked.map((job) => job.key)).size;
      await until("the curve is not asked again", async () => keys() >= 3);
    } finally {
      training.kill("SIGKILL");
    }
  });
}
