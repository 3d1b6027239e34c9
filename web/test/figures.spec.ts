import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as colour from "../src/figures/colour";
import { difference, onOneScale } from "../src/figures/difference";
import { ranks } from "../src/figures/graph";
import { selectionOf } from "../src/figures/link";
import { exact, fixed, grouped, numbers, short, visible, visibleToken } from "../src/figures/numbers";
import { scale, ticks } from "../src/figures/scale";
import { csv, longSheet } from "../src/figures/sheet";
import type { Arr, Figure, Kind } from "../src/figures/types";

// Written by the program's own serialiser from the samples of crates/figure/tests.
const samples = JSON.parse(readFileSync(new URL("figures.samples.json", import.meta.url), "utf8")) as [string, Figure][];

const ABOUT = ["kind", "title", "caption", "caveats", "provenance", "at"];
const FIELDS: Record<Kind, { must: string[]; may?: string[] }> = {
  text: { must: ["body"] },
  code: { must: ["source"], may: ["language", "marked"] },
  table: { must: ["rows", "columns"] },
  tokens: { must: ["tokens", "values", "colour"], may: ["series", "details"] },
  heatmap: { must: ["values", "colour", "x", "y", "panels"], may: ["labels", "details", "upwards", "causal"] },
  lines: { must: ["y", "series", "x_axis", "x_scale", "y_scale"], may: ["x", "band", "y_label", "y_domain"] },
  scatter: { must: ["x", "y", "colour"], may: ["values", "classes", "class_names", "names", "x_label", "y_label"] },
  bars: { must: ["values", "bars", "series"], may: ["label", "domain"] },
  histogram: { must: ["counts", "edges", "series", "y_scale"], may: ["label"] },
  graph: { must: ["nodes", "edges"], may: ["weight_label"] },
  images: { must: ["pixels", "colour"], may: ["names"] },
  compare: { must: ["a", "b", "a_name", "b_name"] },
  group: { must: ["figures", "layout"] },
};

describe("types", () => {
  const inside = (f: Figure): Figure[] => [f, ...(f.kind === "group" ? f.figures.flatMap(inside) : f.kind === "compare" ? [f.a, f.b].flatMap(inside) : [])];
  const all = samples.flatMap(([name, f]) => inside(f).map((g) => [name, g.kind, g] as const));
  it("every kind is among the samples", () => expect(new Set(all.map(([, kind]) => kind))).toEqual(new Set(Object.keys(FIELDS))));
  it.each(all)("%s: %s has the fields that the types say", (_, kind, f) => {
    const { must, may = [] } = FIELDS[kind];
    for (const field of must) expect(f, field).toHaveProperty(field);
    for (const field of Object.keys(f)) expect([...ABOUT, ...must, ...may]).toContain(field);
    for (const value of Object.values(f)) {
      if (value && typeof value === "object" && "dims" in value) {
        expect(Object.keys(value).sort()).toEqual(["data", "dims", "shape"]);
        expect(value.data).toHaveLength(value.shape.reduce((a: number, b: number) => a * b, 1));
      }
    }
  });
});

describe("numbers", () => {
  it("reads the words of JSON", () => expect([...numbers({ dims: ["x"], shape: [4], data: [1.5, "NaN", "Infinity", "-Infinity"] })]).toEqual([1.5, NaN, Infinity, -Infinity]));
  it("are short for people", () => expect([0, 0.012345, 0.9999, 12.345, -0.5, 1.234e-7, 5e12, NaN].map(short)).toEqual(["0", "0.0123", "1", "12.3", "−0.5", "1.23e−7".replace("−", "-"), "5e12", "NaN"]));
  it("are exact where asked", () => {
    expect(exact(Math.fround(0.1), true)).toBe("0.1");
    expect(exact(0.1)).toBe("0.1");
    expect(exact(-Infinity)).toBe("-Infinity");
    for (const x of [1 / 3, 1e-8, 3.4028235e38, 16777217, -0.7]) expect(Math.fround(Number(exact(Math.fround(x), true)))).toBe(Math.fround(x));
    expect(fixed(1, 2)).toBe("1.00");
    expect(grouped(1234567)).toBe("1,234,567");
  });
  it("show what would not show", () => {
    expect(visible("a\r\n\tb\u202e\u001b")).toBe("a␍⏎⇥b<202e>␛");
    expect(visibleToken(" the")).toBe("·the");
    expect(visibleToken("")).toBe("∅");
    expect(visible("🙂 東京")).toBe("🙂 東京");
  });
});

describe("colours", () => {
  it("carry ink of enough contrast, light and dark", () => {
    for (const dark of [false, true]) {
      for (const map of ["sequential", "tint", "diverging"] as const) {
        for (let i = 0; i <= 200; i++) {
          const ground = colour.at(map, i / 200, [0, 1], dark);
          expect(colour.contrast(ground, colour.ink(ground))).toBeGreaterThanOrEqual(4.5);
        }
      }
    }
  });
  it("of a diverging map are neutral at zero, the domain symmetric", () => {
    expect(colour.ends({ map: "diverging" }, [-1, 3])).toEqual([-3, 3]);
    const [r, g, b] = colour.at("diverging", 0, [-3, 3], false);
    expect(Math.max(r, g, b) - Math.min(r, g, b)).toBeLessThan(6);
    expect(colour.at("diverging", NaN, [-3, 3], false)).toEqual(colour.MISSING);
  });
  it("have ends that are apart whatever the data", () => {
    for (const data of [[], [NaN], [3, 3], [0], [Infinity, 1]]) {
      const [low, high] = colour.ends({ map: "sequential" }, data);
      expect(low < high && Number.isFinite(high - low)).toBe(true);
    }
    expect(colour.ends({ map: "tint" }, [0.2, 0.9])).toEqual([0, 0.9]);
  });
});

describe("axes", () => {
  it("have round ticks within their ends", () => {
    expect(ticks(0, 1, 5).map((tick) => tick.name)).toEqual(["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    expect(ticks(0, 3, 9, true).map((tick) => tick.value)).toEqual([0, 1, 2, 3]);
    expect(ticks(5, 5, 4)).toHaveLength(1);
  });
  it("find values and pixels", () => {
    for (const s of [scale([2, 8], [100, 0]), scale([1, 1000], [0, 300], "log")]) {
      expect(s.from(s.at(5))).toBeCloseTo(5);
      expect(s.ticks.length).toBeGreaterThan(1);
    }
    expect(scale([0, 10], [0, 1], "log").at(-1)).toBeNaN();
    expect(Number.isFinite(scale([Infinity, -Infinity], [0, 1]).at(0.5))).toBe(true);
  });
});

describe("rows", () => {
  it("are one per element, as CSV", () => {
    const sheet = longSheet(["layer", "pos"], [1, 2], [undefined, { ticks: ["a", "b, c"], indices: [4, 7] }], [{ name: "p", numbers: Float32Array.of(0.1, NaN) }]);
    expect(csv(sheet)).toBe('layer,pos,pos name,p\r\n0,4,a,0.1\r\n0,7,"b, c",NaN\r\n');
  });
  it("do not run as formulas", () => {
    expect(csv({ headings: ["w"], rows: 3, cell: (i) => ["=cmd|' /C calc'!A0", "+=", 'a"b'][i] })).toBe("w\r\n\"'=cmd|' /C calc'!A0\"\r\n+=\r\n\"a\"\"b\"\r\n");
  });
});

describe("coordinates and comparisons", () => {
  it("of a cell name both roles and the dim", () =>
    expect(selectionOf({ "pos/dst@p": 5, "pos/src@p": 2, "head@m": 1 })).toEqual({ "pos/dst@p": [5], "pos/src@p": [2], "pos@p": [5, 2], "head@m": [1] }));
  it("stand graphs in ranks, cycles too", () => {
    const edge = (from: number, to: number) => ({ from, to, weight: 1 });
    const node = (label: string, rank?: number) => ({ label, rank });
    expect(ranks({ kind: "graph", nodes: [node("a"), node("b"), node("c", 3), node("d")], edges: [edge(0, 1), edge(1, 3), edge(2, 3)] })).toEqual([0, 1, 3, 4]);
    expect(() => ranks({ kind: "graph", nodes: [node("a"), node("b")], edges: [edge(0, 1), edge(1, 0), edge(9, 0)] })).not.toThrow();
  });
  it("share one scale and subtract the first from the second", () => {
    const bars = (data: number[]): Figure => ({ kind: "bars", values: { dims: ["class"], shape: [2], data }, bars: {}, series: {} });
    const [a, b] = onOneScale(bars([1, 2]), bars([-1, 5]));
    expect([a, b].map((f) => f.kind === "bars" && f.domain)).toEqual([[-1, 5], [-1, 5]]);
    const change = difference(a, b);
    expect(change?.kind === "bars" && [...numbers(change.values)]).toEqual([-2, 3]);
    expect(difference(a, { kind: "text", body: "" })).toBeNull();
    const map = (whole?: Arr): Figure => ({ kind: "heatmap", values: { dims: ["y", "x"], shape: [1, 2], data: [1, 2], whole }, colour: { map: "tint" }, x: {}, y: {}, panels: {} });
    expect(difference(map(), map())).not.toBeNull();
    expect(difference(map(), map({ dims: ["y", "x"], shape: [2, 4] }))).toBeNull();
  });
});

describe("what changes from one figure to another", () => {
  const bars = (names: string[], data: number[]): Figure => ({ kind: "bars", title: "Shares", values: { dims: ["k"], shape: [data.length], data }, bars: { ticks: names }, series: {} });
  const rows = (words: string[], data: number[], dim = "head"): Figure => ({
    kind: "table",
    rows: dim,
    columns: [
      { name: "name", words: { dims: [dim], shape: [words.length], data: words } },
      { name: "score", numbers: { dims: [dim], shape: [data.length], data } },
    ],
  });
  it("is taken of places that mean the same", () => {
    const found = difference(bars(["mlp 0", "head 1.2"], [3, 1]), bars(["mlp 0", "head 1.2"], [2, 4]));
    expect(found?.kind === "bars" && [...numbers(found.values)]).toEqual([-1, 3]);
    expect(difference(bars(["mlp 0", "head 1.2"], [3, 1]), bars(["head 1.2", "mlp 0"], [4, 2]))).toBeNull();
  });
  it("is none between figures of different things", () => {
    const of = (title: string) => ({ ...bars(["a"], [1]), title }) as Figure;
    expect(difference(of('Shares of " Rome"'), of('Shares of " Tokyo"'))).toBeNull();
  });
  it("keeps no words of the first", () => {
    const told = { ...bars(["a"], [1]), caption: "All shares sum to 1.", provenance: "talk" } as Figure;
    expect(difference(told, told)).toMatchObject({ title: "Shares: change" });
    expect(difference(told, told)).not.toHaveProperty("caption");
  });
  it("of tables subtracts numbers under equal words", () => {
    const found = difference(rows(["0", "1"], [5, 1]), rows(["0", "1"], [4, 1]));
    expect(found?.kind === "table" && [...numbers(found.columns[1].numbers!)]).toEqual([-1, 0]);
    expect(difference(rows(["0", "1"], [5, 1]), rows(["1", "0"], [5, 1]))).toBeNull();
    const places = difference(rows(["in", "France"], [5, 1], "pos"), rows(["in", "Italy"], [5, 1], "pos"));
    expect(places?.kind === "table" && places.columns[0].words?.data).toEqual(["in", "France → Italy"]);
  });
});
