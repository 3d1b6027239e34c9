// Axes and legends, drawn alike for all charts.
import { category, hex, lut } from "./colour";
import { grouped, visible } from "./numbers";
import { fit, measure, wrap, type Pen } from "./pen";
import { ticks, type Scale, type Tick } from "./scale";
import type { Shading } from "./shading";

export interface Frame {
  x: number;
  y: number;
  w: number;
  h: number;
}

const SMALL = { size: 11 };

/** Room for the names of ticks to the left of a chart. */
export const tickRoom = (list: Tick[]) => Math.max(0, ...list.map((tick) => measure(tick.name, SMALL))) + 8;

export function yAxis(pen: Pen, frame: Frame, s: Scale, label: string): void {
  const { theme } = pen;
  for (const tick of s.ticks) {
    const y = Math.round(s.at(tick.value)) + 0.5;
    pen.line([frame.x, y, frame.x + frame.w, y], theme.grid);
    pen.text(frame.x - 6, y + 4, tick.name, { ...SMALL, anchor: "end", fill: theme.muted });
  }
  if (label) {
    const words = fit(label, frame.h + 30, SMALL);
    pen.text(frame.x - tickRoom(s.ticks) - 6, frame.y + frame.h / 2, words, { ...SMALL, anchor: "middle", fill: theme.ink, turn: -1 });
  }
}

export function xAxis(pen: Pen, frame: Frame, list: { at: number; name: string }[], label: string): void {
  const { theme } = pen;
  const y = Math.round(frame.y + frame.h) + 0.5;
  pen.line([frame.x, y, frame.x + frame.w, y], theme.rule);
  let free = -Infinity;
  for (const tick of list) {
    const width = measure(tick.name, SMALL);
    if (tick.at - width / 2 < free) continue;
    free = tick.at + width / 2 + 8;
    const x = Math.round(tick.at) + 0.5;
    pen.line([x, y, x, y + 4], theme.rule);
    pen.text(tick.at, y + 16, tick.name, { ...SMALL, anchor: "middle", fill: theme.muted });
  }
  if (label) pen.text(frame.x + frame.w / 2, y + 33, fit(label, frame.w, SMALL), { ...SMALL, anchor: "middle" });
}

/** Names of categories in a row; gives the height that they take. */
export function keys(pen: Pen | null, names: string[], x: number, y: number, width: number, shape: "line" | "box" | "dot", dim?: (i: number) => boolean): number {
  let [at, line] = [0, 0];
  names.forEach((name, i) => {
    const words = fit(visible(name), Math.min(220, width - 24), SMALL);
    const w = measure(words, SMALL) + 34;
    if (at > 0 && at + w > width) {
      at = 0;
      line++;
    }
    if (pen) {
      const colour = hex(category(i, pen.theme.dark));
      const [px, py] = [x + at, y + line * 18];
      pen.alpha(dim?.(i) ? 0.35 : 1);
      if (shape === "line") pen.line([px, py + 7.5, px + 16, py + 7.5], colour, 2);
      else if (shape === "box") pen.rect(px + 3, py + 2.5, 10, 10, colour, undefined, 1, 2);
      else pen.circle(px + 8, py + 7.5, 4, colour);
      pen.text(px + 21, py + 11.5, words, SMALL);
      pen.alpha(1);
    }
    at += w;
  });
  return names.length ? (line + 1) * 18 : 0;
}

export const LEGEND = 78;

/** What a legend says below its bar. */
function legendNotes(shading: Shading, own: boolean): string[] {
  const notes: string[] = [];
  if (own) notes.push("of each panel");
  if (shading.outside && !own) notes.push(`${grouped(shading.outside)} outside`);
  if (shading.manner.spread === "arcsinh") notes.push("arcsinh");
  return notes;
}

/** The room that a legend takes below its bar. */
export function legendFoot(shading: Shading, own = false): number {
  const notes = legendNotes(shading, own).length;
  return (notes ? notes * 15 + 8 : 0) + (shading.missing ? 26 : 0);
}

// The limits themselves are always told.
const limitName = (value: number) => (Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(1) : String(Number(value.toPrecision(3)))).replace("-", "−");

export interface Bar {
  x: number;
  y: number;
  height: number;
  label?: string;
  /** In place of the limits, where they differ from panel to panel. */
  names?: [low: string, high: string];
}

/** A standing colour bar with its limits, and how many values are beyond them or no numbers. */
export function colourBar(pen: Pen, shading: Shading, { x, y, height, label, names }: Bar): void {
  const { theme } = pen;
  const table = lut(shading.map, theme.dark);
  const [low, high] = shading.limits;
  const [first, last] = [shading.step(low), shading.step(high)];
  const rows = 128;
  const data = new Uint8ClampedArray(rows * 4);
  for (let i = 0; i < rows; i++) {
    const from = Math.round(first + ((rows - 1 - i) / (rows - 1)) * (last - first)) * 4;
    data.set(table.subarray(from, from + 4), i * 4);
  }
  pen.image(x, y, 12, height, { width: 1, height: rows, data });
  pen.rect(x + 0.5, y + 0.5, 11, height - 1, null, theme.rule, 0.75);
  const marks = [
    { name: names?.[1] ?? limitName(high), y: y + 4 },
    { name: names?.[0] ?? limitName(low), y: y + height },
  ];
  if (!names) {
    const about = Math.max(2, Math.min(5, height / 26));
    const list = ticks(low, high, about);
    // Where small values have more room than large ones, they also have ticks.
    if (shading.manner.spread === "arcsinh") list.push(...ticks(low / 8, high / 8, about));
    marks.push(...list.map((tick) => ({ name: tick.name, y: y + height * (1 - shading.along(tick.value)) + 4 })));
  }
  const taken: number[] = [];
  for (const mark of marks) {
    if (taken.some((other) => Math.abs(other - mark.y) < 13)) continue;
    taken.push(mark.y);
    pen.text(x + 17, mark.y, mark.name, { size: 11, fill: theme.muted });
  }
  if (label) {
    const widest = Math.max(...marks.map((mark) => measure(mark.name, SMALL)));
    // Turned to the right, so that a second line stands left of the first.
    const room = Math.max(height + 8, 90);
    const [first = "", ...more] = wrap(label, room, SMALL);
    const lines = more.length ? [fit(more.join(" "), room, SMALL), first] : [first];
    lines.forEach((line, i) => pen.text(x + 17 + widest + 7 + i * 13, y + height / 2, line, { ...SMALL, anchor: "middle", turn: 1 }));
  }
  let foot = y + height + 18;
  for (const note of legendNotes(shading, !!names)) {
    pen.text(x, foot, note, { size: 11, fill: theme.muted });
    foot += 15;
  }
  if (shading.missing) {
    pen.rect(x, foot - 6, 12, 12, theme.panel, theme.rule, 0.75);
    pen.hatch(x, foot - 6, 12, 12);
    pen.text(x + 17, foot + 4, `NaN ×${grouped(shading.missing)}`, { size: 11, fill: theme.muted });
  }
}
