// The numbers that a figure gives only by reference.
import type { Context } from "./part";
import type { Arr, Figure } from "./types";

/** A heatmap of more numbers than this is drawn from the largest of blocks, at most so many along a side. */
const MOST_NUMBERS = 8_000_000;
const POOLED = 256;

const isElsewhere = (value: object): value is Arr => "ref" in value && typeof value.ref === "string" && "shape" in value && !("data" in value && value.data);

async function fetched(a: Arr, pooling: boolean, cx: Context): Promise<Arr> {
  const size = a.shape.reduce((p, q) => p * q, 1);
  const blocks = pooling && size > MOST_NUMBERS && a.shape.length > 1 && (a.dtype ?? "f32") === "f32" && a.shape.slice(-2).some((side) => side > POOLED);
  if (!blocks) return cx.load(a);
  return { ...(await cx.load(a, { pool: POOLED })), whole: a };
}

/** The figure with its arrays here. */
export async function loaded(figure: Figure, cx: Context): Promise<Figure> {
  async function walk(value: unknown, pooling: boolean): Promise<unknown> {
    if (!value || typeof value !== "object" || ArrayBuffer.isView(value)) return value;
    if (Array.isArray(value)) return typeof value[0] === "object" ? Promise.all(value.map((part) => walk(part, false))) : value;
    if (isElsewhere(value)) return fetched(value, pooling, cx);
    const heatmap = "kind" in value && value.kind === "heatmap";
    const entries = Object.entries(value).map(async ([key, part]) => [key, await walk(part, heatmap && key === "values")] as const);
    return Object.fromEntries(await Promise.all(entries));
  }
  return (await walk(figure, false)) as Figure;
}

export function needsLoading(value: unknown): boolean {
  if (!value || typeof value !== "object" || ArrayBuffer.isView(value)) return false;
  if (Array.isArray(value)) return typeof value[0] === "object" && value.some(needsLoading);
  return isElsewhere(value) || Object.values(value).some(needsLoading);
}
