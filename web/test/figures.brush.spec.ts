import { describe, expect, it } from "vitest";
import { createBus, MOST_SAVED, type Brush } from "../src/figures/bus";
import { lookup, ordered, sameIndices } from "../src/figures/indices";
import { looks } from "../src/figures/looks";
import { LIGHT } from "../src/figures/pen";
import { passing, sieve } from "../src/figures/sieve";
import { SvgPen } from "../src/figures/svg";

let seed = 5;
const random = (n: number) => ((seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) >>> 8) % n;
const some = (n: number) => Array.from({ length: 1 + random(n) }, () => random(n));

describe("indices", () => {
  it("are put in order, each once, and not changed in place", () => {
    const given = [4, 1, 4];
    expect(ordered(given)).toEqual([1, 4]);
    expect(given).toEqual([4, 1, 4]);
    expect(ordered(Uint32Array.of(9, 2, 9))).toEqual(Uint32Array.of(2, 9));
    const typed = Uint32Array.of(1, 5);
    expect(ordered(typed)).toBe(typed);
  });
  it("are looked up alike, few or many, small or huge", () => {
    for (const list of [[3], Array.from({ length: 500 }, (_, i) => i * 3), Array.from({ length: 40 }, (_, i) => i * 1e8)]) {
      const set = lookup(list);
      for (const i of [0, 1, 3, 1497, 1498, 1e8, 39e8]) expect(set.has(i), String(i)).toBe(list.includes(i));
    }
    expect(sameIndices([1, 2], Uint32Array.of(1, 2))).toBe(true);
    expect(sameIndices([1, 2], [1, 3])).toBe(false);
  });
});

describe("a brush over many", () => {
  it("keeps its count, is not saved where it is too large, and else comes back", () => {
    const bus = createBus(() => {});
    const many = Uint32Array.from({ length: 200_000 }, (_, i) => i * 2);
    bus.setFilter({ "example@s": many }, "scatter");
    expect(bus.filters.get("scatter")?.["example@s"]).toHaveLength(200_000);
    expect([0, 1, 399_998].map((i) => bus.passes({ "example@s": i }, "table"))).toEqual([true, false, true]);
    expect(bus.state().filters).toEqual({});
    bus.setFilter({ "example@s": many.subarray(0, MOST_SAVED) }, "scatter");
    const other = createBus(() => {});
    other.restore(JSON.parse(JSON.stringify(bus.state())));
    expect(other.state()).toEqual(bus.state());
    expect(other.filters.get("scatter")?.["example@s"]).toHaveLength(MOST_SAVED);
    expect(other.passes({ "example@s": 3 })).toBe(false);
  });
  it("that is the same again is no news", () => {
    let frames = 0;
    const bus = createBus((fn) => (frames++, fn()));
    bus.setFilter({ "example@s": Uint32Array.of(1, 2) }, "v");
    bus.setFilter({ "example@s": [2, 1] }, "v");
    expect(frames).toBe(1);
  });
});

describe("sieves", () => {
  const KEYS = ["pos/dst@p", "pos/src@p", "pos@p", "head@m", "layer@m"];
  it("let through what the bus does, cell by cell", () => {
    for (let round = 0; round < 300; round++) {
      const bus = createBus(() => {});
      for (const source of ["a", "b", "me"].slice(0, 1 + random(3))) {
        const brush: Brush = {};
        for (const key of KEYS) if (random(3) === 0) brush[key] = some(5);
        bus.setFilter(brush, source);
      }
      const fixed: Record<string, number> = random(2) ? { "layer@m": random(5) } : {};
      const indices = random(2) ? [4, 2, 0] : undefined;
      const axes = [{ key: KEYS[random(2) ? 0 : 3], size: 3, guide: { indices } }, random(4) ? { key: KEYS[random(2) ? 1 : 2], size: 5 } : null];
      const found = sieve(bus.filters, "me", fixed, axes);
      for (let a = 0; a < 3; a++) {
        for (let b = 0; b < (axes[1] ? 5 : 1); b++) {
          const at: Record<string, number> = { ...fixed, [axes[0]!.key]: indices?.[a] ?? a };
          if (axes[1]) at[axes[1].key] = b;
          expect(found === null || (found !== "none" && found(a, b)), JSON.stringify([[...bus.filters], at])).toBe(bus.passes(at, "me"));
        }
      }
    }
  });
  it("along one axis give a mask, or nothing where nothing is asked", () => {
    const bus = createBus(() => {});
    const axis = { key: "example@s", size: 6 };
    bus.setFilter({ "layer@m": [3] }, "a");
    expect(passing(bus.filters, "me", {}, axis, 6)).toBeNull();
    expect(passing(bus.filters, "me", { "layer@m": 2 }, axis, 6)).toEqual(new Uint8Array(6));
    bus.setFilter({ "example@s": [1, 2, 9] }, "b");
    bus.setFilter({ "example@s": Uint32Array.of(2, 4) }, "c");
    expect(passing(bus.filters, "me", { "layer@m": 3 }, axis, 6)).toEqual(Uint8Array.of(0, 0, 1, 0, 0, 0));
    expect(passing(bus.filters, "c", {}, axis, 6)).toEqual(Uint8Array.of(0, 1, 1, 0, 0, 0));
  });
});

describe("looks", () => {
  it("come in the order they are drawn, compared places told apart by line and letter", () => {
    const bus = createBus(() => {});
    bus.setHover({ "pos@p": [1] }, "v");
    bus.togglePin({ "pos@p": [2] }, "v");
    bus.setCompare(1, { "pos@p": [3] }, "v");
    bus.setCompare(0, { "pos@p": [4] }, "v");
    const all = looks(bus, LIGHT);
    expect(all.map(({ channel, letter, dash }) => [channel, letter, !!dash])).toEqual([
      ["compare", "A", false],
      ["compare", "B", true],
      ["pin", undefined, false],
      ["hover", undefined, false],
    ]);
  });
});

describe("a picture in SVG", () => {
  it("hatches by one pattern that is there only where it is used", () => {
    const pen = new SvgPen(LIGHT);
    expect(pen.finish(10, 10)).not.toContain("hatch");
    pen.hatch(1, 2, 3, 4);
    pen.hatch(5, 6, 3, 4);
    const svg = pen.finish(10, 10);
    expect(svg.match(/id="hatch"/g)).toHaveLength(1);
    expect(svg.match(/fill="url\(#hatch\)"/g)).toHaveLength(2);
  });
});
