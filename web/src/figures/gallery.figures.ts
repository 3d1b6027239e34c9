// Figures of made-up numbers for the gallery.
import type { Arr, Figure } from "./types";

let seed = 7;
function random(): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
}
const normal = () => Math.sqrt(-2 * Math.log(random() + 1e-12)) * Math.cos(2 * Math.PI * random());
const arr = (dims: string[], shape: number[], make: (i: number) => number): Arr<number> => ({
  dims,
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => make(i)),
});

const PROMPT = ["When", " Mary", " and", " John", " went", " to", " the", " store", ",", " John", " gave", " a", " drink", " to"];
const N = PROMPT.length;

function attention(layers: number, heads: number, n: number): Arr<number> {
  const data = new Float32Array(layers * heads * n * n);
  for (let h = 0; h < layers * heads; h++) {
    const [back, sharp] = [Math.floor(random() * 4), 1 + random() * 4];
    for (let q = 0; q < n; q++) {
      let sum = 0;
      const row = Array.from({ length: q + 1 }, (_, k) => Math.exp(sharp * (k === 0 ? 0.6 : k === q - back ? 1 : random() * 0.7)));
      for (const x of row) sum += x;
      row.forEach((x, k) => (data[(h * n + q) * n + k] = x / sum));
    }
  }
  return { dims: ["layer", "head", "pos/dst", "pos/src"], shape: [layers, heads, n, n], data };
}

export function small(): Figure[] {
  const ticks = (n: number, name = "") => Array.from({ length: n }, (_, i) => name + i);
  return [
    {
      kind: "tokens",
      title: "Surprise of each token",
      caption: "Darker tokens were foreseen less.",
      caveats: ["The first token has nothing before it, so it has no value."],
      provenance: "gpt2 · \"When Mary and John…\" · seed 0",
      tokens: { dims: ["pos"], shape: [N + 4], data: [...PROMPT, "\n", "<script>", " \u202eabc", " 🙂"] },
      values: { dims: ["pos"], shape: [N + 4], data: ["NaN", ...Array.from({ length: N + 3 }, () => Math.round(random() * 900) / 100)] },
      colour: { map: "tint", label: "surprise (bits)" },
    },
    {
      kind: "heatmap",
      title: "Where each attention head looks",
      values: attention(3, 4, N),
      colour: { map: "tint", label: "attention", domain: [0, 1] },
      x: { label: "looks at", ticks: PROMPT },
      y: { label: "token", ticks: PROMPT },
      panels: {},
      causal: true,
    },
    {
      kind: "heatmap",
      title: "Logit lens",
      caption: "Each cell is the first choice when the residual stream there is unembedded.",
      values: arr(["layer", "pos"], [5, 9], (i) => (i === 3 ? NaN : Math.min(1, random() * (0.2 + i / 45)))),
      labels: { dims: ["layer", "pos"], shape: [5, 9], data: Array.from({ length: 45 }, () => PROMPT[Math.floor(random() * N)]) },
      colour: { map: "tint", label: "probability", domain: [0, 1] },
      x: { label: "token", ticks: PROMPT.slice(0, 9) },
      y: { label: "layer", ticks: ["embed", "0", "1", "2", "3"], indices: [0, 1, 2, 3, 4] },
      panels: {},
      upwards: true,
    },
    {
      kind: "heatmap",
      title: "What each head adds to the answer's logit",
      values: arr(["layer", "head"], [12, 12], () => normal() * normal() * 0.8),
      colour: { map: "diverging", label: "direct effect (logits)" },
      x: { label: "head" },
      y: { label: "layer" },
      panels: {},
      upwards: true,
    },
    {
      kind: "lines",
      title: "Norm of the residual stream",
      y: arr(["row", "layer"], [3, 12], (i) => 3 + (i % 12) * (1 + Math.floor(i / 12)) + random() * 4),
      series: { ticks: ["stream", "attention adds", "feed-forward adds"] },
      x_axis: { label: "layer" },
      y_label: "norm, median over positions",
      x_scale: "linear",
      y_scale: "linear",
    },
    {
      kind: "bars",
      title: "Likeliest next tokens",
      values: { dims: ["d_vocab"], shape: [6], data: [0.71, 0.09, 0.05, 0.03, 0.02, 0.01] },
      bars: { label: "token", ticks: [" Mary", " the", " him", " John", " her", "\n"], indices: [5335, 262, 683, 1757, 607, 198] },
      series: {},
      label: "probability",
      domain: [0, 1],
    },
    {
      kind: "histogram",
      title: "Activations of neuron 3.421",
      counts: arr(["bin"], [40], (i) => Math.round(3000 * Math.exp(-((i - 14) ** 2) / 40) + 90 * Math.exp(-((i - 31) ** 2) / 12))),
      edges: arr(["bin"], [41], (i) => -2 + i * 0.15),
      series: {},
      label: "activation",
      y_scale: "linear",
    },
    scatter(2000),
    {
      kind: "table",
      title: "Strongest heads",
      rows: "example",
      columns: [
        { name: "head", words: { dims: ["example"], shape: [2000], data: Array.from({ length: 2000 }, (_, i) => `${i % 12}.${Math.floor(i / 12) % 12}`) } },
        { name: "example", numbers: arr(["example"], [2000], (i) => i) },
        { name: "score", numbers: arr(["example"], [2000], () => normal()), decimals: 3, colour: { map: "diverging" } },
        { name: "kind", words: { dims: ["example"], shape: [2000], data: Array.from({ length: 2000 }, (_, i) => ["induction", "previous token", "duplicate token"][i % 3]) } },
      ],
    },
    graph(28, 60),
    {
      kind: "images",
      title: "What each filter sees",
      pixels: arr(["channel", "example", "y", "x"].slice(1), [8, 9, 9], (i) => Math.sin(((i % 9) * (1 + (Math.floor(i / 81) % 4))) / 3) * Math.cos((Math.floor(i / 9) % 9) / (1 + Math.floor(i / 81)))),
      colour: { map: "diverging", label: "weight" },
      names: ticks(8, "filter "),
    },
    {
      kind: "compare",
      title: "Clean and patched",
      a_name: "clean",
      b_name: "patched",
      a: bars([0.7, 0.1, 0.05]),
      b: bars([0.2, 0.55, 0.07]),
    },
    { kind: "code", title: "An edit", source: "let z = stream.read(blocks[5].attn.z);\nz.at(head, 3).fill(0.0);\nreturn z;\n", language: "rust", marked: [2] },
    {
      kind: "group",
      title: "A group in a grid",
      layout: { grid: 2 },
      figures: [
        { kind: "text", title: "What this shows", body: "Heads 5.1 and 6.9 repeat what followed the same token before.\n\nNothing here proves that they are needed." },
        bars([0.3, -0.2, 0.1]),
      ],
    },
    neurons(5),
    neurons(40),
    pooled(),
    { kind: "compare", title: "Surprise, clean and patched", a_name: "clean", b_name: "patched", a: surprise(1), b: surprise(0.6) },
    {
      kind: "heatmap",
      title: "What each head adds, by source",
      values: arr(["layer", "head", "pos/src"], [2, 6, N], (i) => normal() * (i % N === 0 ? 6 : 1) * (1 + Math.floor(i / (6 * N)))),
      colour: { map: "diverging", label: "effect (logits)" },
      x: { label: "source", ticks: PROMPT },
      y: { label: "head" },
      panels: { label: "layer" },
    },
  ];
}

function surprise(scale: number): Figure {
  return { kind: "tokens", tokens: { dims: ["pos"], shape: [N], data: PROMPT }, values: arr(["pos"], [N], (i) => (i ? random() * 8 * scale : NaN)), colour: { map: "tint", label: "bits" } };
}

/** Activations of several neurons on the prompt. */
function neurons(n: number): Figure {
  return {
    kind: "tokens",
    title: `${n} neurons over the prompt`,
    tokens: { dims: ["pos"], shape: [N], data: PROMPT },
    values: arr(["neuron", "pos"], [n, N], (i) => Math.max(-0.2, normal()) * (1 + Math.floor(i / N))),
    series: { label: "neuron", ticks: Array.from({ length: n }, (_, i) => `3.${100 + i}`), indices: Array.from({ length: n }, (_, i) => 100 + i) },
    colour: { map: "diverging", label: "activation" },
  };
}

/** What the server keeps: too large to come whole. Its cells are their own places, over a thousand. */
const STORED = { dims: ["head", "pos/dst", "pos/src"], shape: [6, 1200, 1200] };
const storedValue = (head: number, row: number, column: number) => (column > row ? 0 : Math.fround(((row * 31 + column * 17 + head * 7) % 1000) / 1000));
function pooled(): Figure {
  const ticks = Array.from({ length: 1200 }, (_, i) => PROMPT[i % N]);
  return {
    kind: "heatmap",
    title: "Patterns of 1,200 tokens",
    values: { ...STORED, ref: "/stored", dtype: "f32" },
    colour: { map: "tint", label: "attention" },
    x: { label: "looks at", ticks },
    y: { label: "token", ticks },
    panels: {},
    causal: true,
  };
}

/** As the server gives parts of an array. */
export async function load(_: Arr, q?: { slice?: Record<string, number>; pool?: number }): Promise<Arr> {
  const { dims, shape } = STORED;
  const most = q?.pool ?? Infinity;
  const at = (dim: number) => q?.slice?.[dims[dim]];
  const range = (dim: number) => (at(dim) === undefined ? Array.from({ length: shape[dim] }, (_, i) => i) : [at(dim)!]);
  const kept = dims.map((_, i) => i).filter((i) => at(i) === undefined);
  const to = kept.map((i) => (i > 0 ? Math.min(shape[i], most) : shape[i]));
  const data = new Float32Array(to.reduce((a, b) => a * b, 1));
  const columns = at(2) === undefined ? Math.min(shape[2], most) : 1;
  const rows = at(1) === undefined ? Math.min(shape[1], most) : 1;
  range(0).forEach((head, h) => {
    for (const row of range(1)) {
      const into = (h * rows + (rows === 1 ? 0 : Math.floor((row * rows) / shape[1]))) * columns;
      for (const column of range(2)) {
        const place = into + (columns === 1 ? 0 : Math.floor((column * columns) / shape[2]));
        data[place] = Math.max(data[place], storedValue(head, row, column));
      }
    }
  });
  await new Promise((done) => setTimeout(done, 30));
  return { dims: kept.map((i) => dims[i]), shape: to, dtype: "f32", data };
}

function bars(data: number[]): Figure {
  return { kind: "bars", values: { dims: ["class"], shape: [data.length], data }, bars: { ticks: ["Mary", "John", "them"] }, series: {}, label: "probability" };
}

function scatter(n: number): Figure {
  const centres = Array.from({ length: 5 }, () => [normal() * 2.4, normal() * 2.4]);
  return {
    kind: "scatter",
    title: "Features by decoder direction",
    x: arr(["example"], [n], (i) => centres[i % 5][0] + normal() * 0.6),
    y: arr(["example"], [n], (i) => centres[i % 5][1] + normal() * 0.6),
    colour: { map: "sequential" },
    classes: { dims: ["example"], shape: [n], data: Uint32Array.from({ length: n }, (_, i) => i % 5) },
    class_names: ["names", "places", "verbs", "numbers", "code"],
    x_label: "first component",
    y_label: "second component",
  };
}

function graph(nodes: number, edges: number): Figure {
  const layer = (i: number) => Math.floor((i / nodes) * 8);
  return {
    kind: "graph",
    title: "Attribution graph",
    nodes: Array.from({ length: nodes }, (_, i) => ({ label: `${layer(i)}.${i % 12}`, rank: layer(i), value: normal(), detail: "a head", at: [{ axis: "layer", index: layer(i) }, { axis: "head", index: i % 12 }] })),
    edges: Array.from({ length: edges }, () => {
      const from = Math.floor(random() * nodes * 0.85);
      const to = Math.min(nodes - 1, from + 1 + Math.floor((random() * nodes) / 4));
      return { from, to, weight: normal() };
    }),
    weight_label: "attribution",
  };
}

/** What has to stay quick together. */
export function bench(): Figure[] {
  const words = Array.from({ length: 50000 }, () => PROMPT[Math.floor(random() * N)]);
  return [
    { kind: "heatmap", title: "144 patterns", values: attention(12, 12, 64), colour: { map: "sequential", label: "attention" }, x: { label: "from" }, y: { label: "to" }, panels: {}, causal: true },
    { kind: "tokens", title: "50,000 tokens", tokens: { dims: ["pos"], shape: [50000], data: words }, values: arr(["pos"], [50000], () => random()), colour: { map: "tint", label: "loss" } },
    scatter(20000),
  ];
}

/** And what has to stay usable beside it. */
export function large(): Figure[] {
  return [
    ...bench(),
    { ...(scatter(1000000) as Figure & { kind: "scatter" }), title: "A million points", classes: undefined, values: arr(["example"], [1000000], normal), colour: { map: "diverging", label: "value" } },
    graph(1000, 5000),
    { ...(scatter(20000) as Figure & { kind: "scatter" }), title: "The same examples elsewhere" },
  ];
}
