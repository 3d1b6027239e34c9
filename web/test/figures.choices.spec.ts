import { describe, expect, it } from "vitest";
import { createBus } from "../src/figures/bus";
import { Cells } from "../src/figures/cells";
import * as colour from "../src/figures/colour";
import { HeatmapPlot } from "../src/figures/heatmap";
import { mix } from "../src/figures/mix";
import { Options } from "../src/figures/options";
import { pixels } from "../src/figures/paint";
import type { Drawn } from "../src/figures/part";
import { relatesTokens } from "../src/figures/pattern";
import { LEFT_OUT, NOT_A_NUMBER, PLAIN, Shading, shade, type Manner } from "../src/figures/shading";
import type { Arr, ColourScale, Heatmap } from "../src/figures/types";

const manner = (given: Partial<Manner>): Manner => ({ ...PLAIN, ...given });

function drawn(choices: Record<string, unknown> = {}, load: Drawn["load"] = () => Promise.reject(new Error("nothing"))): Drawn {
  return { bus: createBus(() => {}), id: "v", space: () => "a", load, announce: () => {}, options: Options.over(new Map(Object.entries(choices))) };
}

/** Two heads over three tokens that rest on the first; the second head twice as wide. */
const PATTERN: Heatmap = {
  kind: "heatmap",
  values: { dims: ["head", "pos/dst", "pos/src"], shape: [2, 3, 3], data: Float32Array.of(1, 0, 0, 0.8, 0.2, 0, 0.6, 0.1, 0.3, 2, 0, 0, 1.6, 0.4, 0, 1.2, 0.2, 0.6) },
  colour: { map: "tint", domain: [0, 4] },
  x: { ticks: ["a", "b", "c"] },
  y: { ticks: ["a", "b", "c"] },
  panels: {},
  causal: true,
};

describe("options", () => {
  it("are kept where they are given, by path, and only in force if they are known words", () => {
    const kept = new Map<string, unknown>([["scale", "own"], ["values", "rainbow"]]);
    const options = Options.over(kept);
    expect(options.one("scale", ["shared", "own"])).toBe("own");
    expect(options.one("values", ["linear", "clip"])).toBe("linear");
    options.within("0").within("1").set("sign", "plus");
    expect(kept.get("0/1/sign")).toBe("plus");
    options.set("heads", [3, 9, 3, "x", -1]);
    expect(options.places("heads", 8)).toEqual([3]);
  });
  it("tell those who draw the same figure", () => {
    const options = Options.over();
    const heard: string[] = [];
    options.watch(() => heard.push("all"));
    const leave = options.within("0").watch(() => heard.push("inside"));
    options.within("0").set("scale", "own");
    expect(heard).toEqual(["inside"]);
    options.reread();
    expect(heard).toEqual(["inside", "all", "inside"]);
    leave();
    options.within("0").set("scale", "shared");
    expect(heard).toHaveLength(3);
  });
});

describe("shading", () => {
  const values = Float32Array.from({ length: 1000 }, (_, i) => i / 1000);
  const seq: ColourScale = { map: "sequential" };

  it("goes as plain colours do where nothing is chosen", () => {
    for (const map of ["sequential", "tint", "diverging"] as const) {
      const data = [-2, -0.5, 0, 1, 3, NaN];
      const plain = shade({ map }, data, PLAIN);
      expect(plain.limits).toEqual(colour.ends({ map }, data));
      for (const x of data) expect(plain.colour(x, false)).toEqual(colour.at(map, x, plain.limits, false));
    }
  });
  it("clips one in a hundred at each end, and counts what is outside", () => {
    const clipped = shade(seq, values, manner({ spread: "clip" }));
    const [low, high] = clipped.limits;
    expect([low, high]).toEqual([values[10], values[989]]);
    expect(clipped.outside).toBe(values.filter((x) => x < low || x > high).length);
    expect(clipped.colour(0.9999, false)).toEqual(clipped.colour(high, false));
    expect(shade({ map: "tint" }, values, manner({ spread: "clip" })).limits[0]).toBe(0);
  });
  it("clips in any order, with what is no number set apart", () => {
    const shuffled = [...values].sort((a, b) => ((a * 7919) % 1) - ((b * 7919) % 1));
    const clipped = shade(seq, [NaN, ...shuffled, NaN], manner({ spread: "clip" }));
    expect(clipped.limits).toEqual([values[10], values[989]]);
    expect([clipped.outside, clipped.missing]).toEqual([20, 2]);
  });
  it("does not clip to nothing where nearly all values are one", () => {
    const rare = Float32Array.from({ length: 1000 }, (_, i) => (i === 3 ? 5 : 0));
    expect(shade(seq, rare, manner({ spread: "clip" })).limits).toEqual([0, 5]);
  });
  it("stays symmetric and neutral at zero however it is spread", () => {
    for (const spread of ["linear", "arcsinh", "clip"] as const) {
      const shading = shade({ map: "diverging" }, [-1, 0.25, 3, 0], manner({ spread }));
      expect(shading.limits[0]).toBe(-shading.limits[1]);
      const [r, g, b] = shading.colour(0, false)!;
      expect(Math.max(r, g, b) - Math.min(r, g, b)).toBeLessThan(6);
      expect(shading.step(0.25) + shading.step(-0.25)).toBeCloseTo(2 * shading.step(0), -1);
    }
  });
  it("spreads small values by arcsinh, in order", () => {
    const shading = shade(seq, [0, 100], manner({ spread: "arcsinh" }));
    const steps = [0, 0.1, 1, 5, 20, 100].map((x) => shading.step(x));
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
    expect(shading.step(5)).toBeGreaterThan(3 * shade(seq, [0, 100], PLAIN).step(5));
    expect([shading.along(0), shading.along(100)]).toEqual([0, 1]);
  });
  it("leaves the other sign out, recolours nothing, and keeps zero", () => {
    const both = shade({ map: "diverging" }, [-4, 1, 2], PLAIN);
    const plus = shade({ map: "diverging" }, [-4, 1, 2], manner({ sign: "plus" }));
    expect(plus.limits).toEqual([0, 4]);
    expect([plus.step(-0.1), plus.step(NaN)]).toEqual([LEFT_OUT, NOT_A_NUMBER]);
    expect(plus.colour(-0.1, false)).toBeNull();
    expect([plus.step(0), plus.step(2)]).toEqual([both.step(0), both.step(2)]);
    expect(shade({ map: "diverging" }, [-4, 1], manner({ sign: "minus" })).limits).toEqual([-4, 0]);
  });
  it("spans what it is compared with, and counts its own", () => {
    const side = shade(seq, [1, NaN, 3], PLAIN, false, [0, NaN, 9]);
    expect([side.limits, side.missing]).toEqual([[0, 9], 1]);
    const clip = manner({ spread: "clip" });
    const many = Array.from({ length: 100 }, (_, i) => i);
    const clipped = shade(seq, [...many, 1000], clip, false, [...many, 2000]);
    expect([clipped.limits[1], clipped.outside]).toEqual([99, 2]);
  });
  it("has strengths from nothing to all, whatever the sign", () => {
    const shading = new Shading("diverging", [-2, 2]);
    expect([0, 1, -2, NaN].map((x) => shading.strength(x))).toEqual([0, 0.5, 1, 0]);
  });
});

describe("cells of a pattern", () => {
  it("keep the domain of the figure while all is shown on one scale", () => {
    expect(new Cells(PATTERN, drawn()).shading(1).limits).toEqual([0, 4]);
  });
  it("have the limits of their own values, panel by panel", () => {
    const own = new Cells(PATTERN, drawn({ scale: "own" }));
    expect([0, 1].map((panel) => own.shading(panel).limits[1])).toEqual([1, 2]);
  });
  it("rescale without the first token, which is blank, not 0", () => {
    const cells = new Cells(PATTERN, drawn({ first: "out" }));
    expect(cells.shading(0).limits[1]).toBeCloseTo(0.6);
    const { data } = pixels(cells, 0, [3, 3], false, false);
    const opaque = Array.from({ length: 9 }, (_, i) => data[i * 4 + 3] > 0);
    expect(opaque).toEqual([false, false, false, false, true, false, false, true, true]);
  });
  it("keep a first token that is no source", () => {
    const plain: Heatmap = { ...PATTERN, values: { ...PATTERN.values, dims: ["head", "layer", "pos"] }, causal: false };
    expect(new Cells(plain, drawn({ first: "out" })).leavesFirst).toBe(false);
    const later: Heatmap = { ...PATTERN, x: { indices: [4, 5, 6] } };
    expect(new Cells(later, drawn({ first: "out" })).leavesFirst).toBe(false);
  });
  it("of two compared figures share limits", () => {
    const small: Heatmap = { ...PATTERN, colour: { map: "tint" } };
    const large: Heatmap = { ...small, values: { ...small.values, data: Float32Array.from(small.values.data as Float32Array, (x) => 3 * x) } };
    const limits = [
      [small, large],
      [large, small],
    ].map(([f, beside]) => new Cells(f, { ...drawn({ first: "out" }), beside }).shading(0).limits);
    expect(limits[0]).toEqual(limits[1]);
    expect(limits[0][1]).toBeCloseTo(1.8);
  });
  it("offer what applies, and text where there are tokens", () => {
    const keys = (f: Heatmap) => new HeatmapPlot(f, drawn()).controls().map(({ key }) => key);
    expect(keys(PATTERN)).toEqual(["scale", "values", "first"]);
    expect(keys({ ...PATTERN, values: { dims: ["layer", "head"], shape: [1, 2], data: [1, 2] }, colour: { map: "diverging" } })).toEqual(["values", "sign"]);
    expect(relatesTokens(PATTERN)).toBe(true);
    expect(relatesTokens({ ...PATTERN, x: {}, y: {} })).toBe(false);
    expect(relatesTokens({ ...PATTERN, values: { ...PATTERN.values, dims: ["head", "layer", "pos"] } })).toBe(false);
  });
});

describe("a pooled array", () => {
  const whole: Arr = { dims: ["head", "row", "neuron"], shape: [2, 4, 6], ref: "/a" };
  const at = (head: number, row: number, column: number) => head * 100 + row * 10 + column;
  const asked: unknown[] = [];
  const load: Drawn["load"] = (_, q) => {
    asked.push(q?.slice);
    const { head, row } = q!.slice as { head: number; row?: number };
    const data = row === undefined ? Float32Array.from({ length: 24 }, (_, i) => at(head, Math.floor(i / 6), i % 6)) : Float32Array.from({ length: 6 }, (_, i) => at(head, row, i));
    return Promise.resolve({ dims: [], shape: [data.length], data });
  };
  // The largest of blocks of 2 by 3 cells.
  const values: Arr = { dims: whole.dims, shape: [2, 2, 2], data: Float32Array.of(12, 15, 32, 35, 112, 115, 132, 135), whole };
  const figure: Heatmap = { ...PATTERN, values, colour: { map: "sequential" }, causal: false, x: {}, y: {} };

  it("has places of the whole, and says what its values are until they are here", async () => {
    const plot = new HeatmapPlot(figure, drawn({}, load));
    expect(plot.marks).toBe(48);
    const mark = (1 * 4 + 2) * 6 + 4;
    expect(plot.place(mark)).toEqual({ "head@a": 1, "neuron@a": 4 });
    expect(plot.note(mark).head).toBe("135, the largest of 2×3 cells pooled");
    const again = new Promise((done) => plot.attach({ redraw: () => {}, noteAgain: done }));
    expect(await again).toBe(mark);
    expect(asked).toEqual([{ head: 1, row: 2 }]);
    expect(plot.note(mark).head).toBe("124");
  });
  it("is exact in a panel that is fetched, and still coarse in others", async () => {
    const cells = new Cells(figure, drawn({}, load));
    expect(await cells.fetchPanel(1)).toBe(true);
    expect(await cells.fetchPanel(1)).toBe(false);
    expect(cells.value(1, 3, 5)).toBe(at(1, 3, 5));
    expect(cells.value(0, 3, 5)).toBeNull();
    expect([cells.isCoarse(0), cells.isCoarse(1)]).toEqual([true, false]);
    expect(cells.source(1).columns).toBe(6);
  });
  it("stays coarse where nothing can be fetched, and asks again", async () => {
    const cells = new Cells(figure, drawn());
    expect(await cells.fetchRow(0, 1)).toBe(false);
    expect(cells.value(0, 1, 1)).toBeNull();
    expect(cells.block(0, 1, 1)).toBe(12);
  });
});

describe("several heads", () => {
  it("mix their hues by strength over the page", () => {
    expect(mix([0, 0], false)).toEqual([255, 255, 255]);
    expect(mix([1, 0], false)).toEqual(colour.category(0, false));
    const half = mix([0.5, 0], false);
    half.forEach((part, i) => expect(part).toBeCloseTo((255 + colour.category(0, false)[i]) / 2, -0.5));
    expect(mix([0.5, 0.5], false)).toEqual([0, 1, 2].map((i) => Math.round((colour.category(0, false)[i] + colour.category(1, false)[i]) / 2)));
    expect(mix([NaN, 2], true)).toEqual(colour.category(1, true));
  });
});
