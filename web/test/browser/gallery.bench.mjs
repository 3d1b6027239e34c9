// How quick the gallery's large sets are: hover to the next frame, and steps of a brush.
import assert from "node:assert/strict";

const told = (list) => {
  const sorted = [...list].sort((a, b) => a - b);
  return { median: sorted[sorted.length >> 1], p95: sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.95))] };
};
const words = ({ median, p95 }) => `median ${median.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms`;

/** Hovers position after position; from the change to the frame after it is drawn. */
const hovers = (page) =>
  page.evaluate(async () => {
    const out = [];
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    for (let i = 0; i < 60; i++) {
      const start = performance.now();
      window.gallery.bus.setHover(i % 2 ? { "pos@prompt:1": [i] } : { "example@set:1": [i * 31], "layer@model:a": [i % 12] }, "test");
      await frame();
      await frame();
      out.push(performance.now() - start);
    }
    window.gallery.bus.setHover(null, "test");
    return out;
  });

/** Drags over a scatter step by step: time to the frame in which all that is linked is drawn, and the count against the truth. */
const brushes = (page, card, index) =>
  page.evaluate(
    async ([id, index]) => {
      const canvas = document.querySelector(`#${id} .fig-top`);
      canvas.scrollIntoView({ block: "center" });
      const r = canvas.getBoundingClientRect();
      const fire = (type, x, y) => canvas.dispatchEvent(new PointerEvent(type, { clientX: r.left + x, clientY: r.top + y, button: 0, pointerId: 1, bubbles: true }));
      canvas.setPointerCapture = canvas.releasePointerCapture = () => {};
      const frame = () => new Promise((done) => requestAnimationFrame(done));
      const [times, busy] = [[], []];
      fire("pointerdown", 90, 60);
      for (let i = 1; i <= 40; i++) {
        await frame();
        const start = performance.now();
        fire("pointermove", 90 + i * 8, 60 + i * 5);
        busy.push(performance.now() - start);
        await frame();
        await new Promise((done) => setTimeout(done));
        times.push(performance.now() - start);
      }
      fire("pointerup", 90 + 320, 60 + 200);
      const source = `v${index}`;
      const found = window.gallery.bus.filters.get(source)["example@set:1"];
      const { x, y } = window.gallery.figures[index];
      const marks = new Set(found);
      const [xs, ys] = [[...found].map((i) => x.data[i]), [...found].map((i) => y.data[i])];
      const ends = (list) => list.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
      const [[x0, x1], [y0, y1]] = [ends(xs), ends(ys)];
      // The rectangle around all that were found holds no other.
      let strays = 0;
      for (let i = 0; i < x.data.length; i++) if (x.data[i] >= x0 && x.data[i] <= x1 && y.data[i] >= y0 && y.data[i] <= y1 && !marks.has(i)) strays++;
      window.gallery.bus.setFilter(null, source);
      return { times, busy, count: found.length, strays };
    },
    [card, index],
  );

export async function benches({ open, check }) {
  for (const [query, cards, limit] of [
    ["?bench", [2], 50],
    ["?large", [2, 3], 100],
  ]) {
    const { page, problems, close } = await open(query);
    await page.waitForTimeout(1500);
    await check(`${query}: hover to the next frame`, async () => {
      const times = told(await hovers(page));
      // Loose, for a machine that is busy with other things; the numbers are what counts.
      assert(times.median < 100, words(times));
      return words(times);
    });
    for (const card of cards) {
      await check(`${query}: brush over figure ${card}`, async () => {
        const { times, count, strays } = await brushes(page, `card${card}`, card);
        assert(count > 0 && strays === 0, `${count} ${strays}`);
        const now = told(times);
        assert(now.median < 2 * limit, words(now));
        return `${words(now)} a step, ${count} points`;
      });
    }
    await check(`${query}: no errors`, () => assert.deepEqual(problems, []));
    await close();
  }
}
