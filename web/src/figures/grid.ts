// Rows on a page, only those in sight laid out: for tables, and for any figure shown as one.
import { match, type Change } from "./bus";
import { at as colourAt, hex, ink } from "./colour";
import { selectionOf } from "./link";
import { grouped, visible } from "./numbers";
import { make, pinMode, type Context } from "./part";
import { measure, type Theme } from "./pen";
import type { Sheet } from "./sheet";
import { passing } from "./sieve";
import type { ColourMap } from "./types";

const ROW = 24;
/** Indices beyond this are asked for one by one. */
const MOST_PLACES = 1 << 24;
const MOST_HEIGHT = 29 + 16 * ROW;

export interface Shade {
  map: ColourMap;
  ends: [number, number];
  value(row: number): number;
}

export interface Grid {
  element: HTMLElement;
  changed(changes: Change[]): void;
  restyle(theme: Theme): void;
  destroy(): void;
}

export interface GridOptions {
  /** What a cell shows, where that is not the exact words of the sheet. */
  shown?(row: number, column: number): string;
  shades?: (Shade | null)[];
  label: string;
}

export function grid(sheet: Sheet, cx: Context, first: Theme, options: GridOptions): Grid {
  let theme = first;
  const shown = options.shown ?? ((row: number, column: number) => visible(sheet.cell(row, column)));
  const outer = make("div", "fig-grid");
  const scroller = make("div", "fig-scroll");
  scroller.tabIndex = 0;
  scroller.setAttribute("role", "grid");
  scroller.setAttribute("aria-label", options.label);
  scroller.setAttribute("aria-rowcount", String(sheet.rows + 1));
  const head = make("div", "fig-row fig-head");
  head.setAttribute("role", "row");
  const spacer = make("div", "fig-spacer");
  spacer.setAttribute("role", "rowgroup");
  scroller.append(head, spacer);
  const count = make("div", "fig-count");
  outer.append(scroller, count);

  // Widths from the headings and a sample of rows.
  const sample = Array.from({ length: Math.min(sheet.rows, 60) }, (_, i) => Math.floor((i * sheet.rows) / Math.min(sheet.rows, 60)));
  const widths = sheet.headings.map((heading, column) => {
    const cells = sample.map((row) => measure(shown(row, column), { size: 12.5 }));
    return Math.min(320, Math.max(measure(heading, { size: 12, bold: true }) + 14, ...cells) + 18);
  });
  const template = widths.map((w, i) => (i === widths.length - 1 ? `minmax(${Math.ceil(w)}px, max-content)` : `${Math.ceil(w)}px`)).join(" ");

  let order: number[] | null = null;
  let inOrder: number[] | null = null;
  let sort: { column: number; down: boolean } | null = null;
  let focus = -1;
  let rows: number[] = [];

  const headers = sheet.headings.map((heading, column) => {
    const cell = make("button", sheet.numeric?.[column] ? "fig-cell num" : "fig-cell", visible(heading));
    cell.type = "button";
    cell.tabIndex = -1;
    if (heading === "") cell.ariaLabel = `column ${column + 1}`;
    const wrap = make("div", "fig-th");
    wrap.setAttribute("role", "columnheader");
    wrap.append(cell);
    cell.addEventListener("click", () => {
      if (!sort || sort.column !== column) sort = { column, down: !!sheet.numeric?.[column] };
      else if (sort.down === !!sheet.numeric?.[column]) sort = { column, down: !sort.down };
      else sort = null;
      arrange();
    });
    head.append(wrap);
    return wrap;
  });
  head.style.gridTemplateColumns = template;

  function arrange() {
    order = null;
    if (sort) {
      const { column, down } = sort;
      const keys = Array.from({ length: sheet.rows }, (_, row) => sheet.key?.(row, column) ?? sheet.cell(row, column));
      order = keys.map((_, row) => row);
      order.sort((a, b) => {
        const [p, q] = [keys[a], keys[b]];
        // What is no number stays last either way.
        const [pn, qn] = [typeof p === "number" && Number.isNaN(p), typeof q === "number" && Number.isNaN(q)];
        if (pn || qn) return Number(pn) - Number(qn) || a - b;
        const by = typeof p === "number" && typeof q === "number" ? p - q : String(p).localeCompare(String(q));
        return (down ? -by : by) || a - b;
      });
    }
    headers.forEach((header, column) => {
      const state = sort?.column === column ? (sort.down ? "descending" : "ascending") : "none";
      header.setAttribute("aria-sort", state);
    });
    filter();
  }
  /** The rows that brushes elsewhere let through, or all. */
  function passingRows(): number[] {
    const all = order ?? (inOrder ??= Array.from({ length: sheet.rows }, (_, row) => row));
    if (!sheet.place || ![...cx.bus.filters.keys()].some((source) => source !== cx.id)) return all;
    const { along, place } = sheet;
    const index = along?.index;
    let most = sheet.rows - 1;
    if (index) for (let row = 0; row < sheet.rows; row++) most = Math.max(most, index(row));
    if (!along || most > MOST_PLACES) return all.filter((row) => cx.bus.passes(place(row), cx.id));
    const passes = passing(cx.bus.filters, cx.id, along.fixed, { key: along.key, size: most + 1 }, most + 1);
    if (!passes) return all;
    return all.filter((row) => passes[index ? index(row) : row]);
  }
  function filter() {
    rows = passingRows();
    const filtered = rows.length < sheet.rows;
    count.textContent = filtered ? `${grouped(rows.length)} of ${grouped(sheet.rows)} rows` : sheet.rows > 12 ? `${grouped(sheet.rows)} rows` : "";
    count.hidden = !count.textContent;
    spacer.style.height = `${Math.min(rows.length * ROW, 8e6)}px`;
    scroller.style.maxHeight = `${MOST_HEIGHT}px`;
    fill();
  }
  function fill() {
    const height = scroller.clientHeight || MOST_HEIGHT;
    const from = Math.max(0, Math.floor(scroller.scrollTop / ROW) - 6);
    const to = Math.min(rows.length, from + Math.ceil(height / ROW) + 14);
    const parts: HTMLElement[] = [];
    for (let line = from; line < to; line++) {
      const row = rows[line];
      const el = make("div", "fig-row");
      el.setAttribute("role", "row");
      el.setAttribute("aria-rowindex", String(line + 2));
      el.dataset.line = String(line);
      el.style.gridTemplateColumns = template;
      el.style.transform = `translateY(${line * ROW}px)`;
      const place = sheet.place?.(row);
      if (place) {
        if (cx.bus.matches(place, "hover")) el.classList.add("hover");
        if (cx.bus.matches(place, "pin")) el.classList.add("pin");
        cx.bus.compare.forEach((sel, slot) => sel && match(place, sel) && el.classList.add(`compare-${"ab"[slot]}`));
      }
      if (line === focus) el.classList.add("focus");
      sheet.headings.forEach((_, column) => {
        const cell = make("div", sheet.numeric?.[column] ? "fig-cell num" : "fig-cell", shown(row, column));
        cell.setAttribute("role", "gridcell");
        const shade = options.shades?.[column];
        const value = shade ? shade.value(row) : NaN;
        if (shade && !Number.isNaN(value)) {
          const ground = colourAt(shade.map, value, shade.ends, theme.dark);
          cell.style.background = hex(ground);
          cell.style.color = hex(ink(ground));
        }
        el.append(cell);
      });
      parts.push(el);
    }
    spacer.replaceChildren(...parts);
  }
  const lineOf = (target: EventTarget | null) => {
    const el = target instanceof Element ? target.closest<HTMLElement>("[data-line]") : null;
    return el ? Number(el.dataset.line) : -1;
  };
  let pointed = -1;
  spacer.addEventListener("pointermove", (e) => {
    const line = lineOf(e.target);
    if (line === pointed) return;
    pointed = line;
    cx.bus.setHover(line >= 0 && sheet.place ? selectionOf(sheet.place(rows[line])) : null, cx.id);
  });
  scroller.addEventListener("pointerleave", () => {
    if (pointed >= 0) cx.bus.setHover(null, cx.id);
    pointed = -1;
  });
  spacer.addEventListener("click", (e) => {
    const line = lineOf(e.target);
    if (line >= 0 && sheet.place) cx.bus.togglePin(selectionOf(sheet.place(rows[line])), cx.id, pinMode(e));
  });
  scroller.addEventListener("scroll", fill, { passive: true });
  scroller.addEventListener("keydown", (e) => {
    const page = Math.max(1, Math.floor(scroller.clientHeight / ROW) - 2);
    const steps: Record<string, number> = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -1e9, End: 1e9 };
    if (e.key in steps && !e.altKey && rows.length) {
      focus = Math.max(0, Math.min(rows.length - 1, focus + steps[e.key]));
      const [top, bottom] = [focus * ROW, (focus + 2) * ROW];
      if (top < scroller.scrollTop) scroller.scrollTop = top;
      else if (bottom > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = bottom - scroller.clientHeight;
      cx.announce(sheet.headings.map((heading, column) => `${heading} ${sheet.cell(rows[focus], column)}`).join(", "));
      if (sheet.place) {
        cx.bus.setHover(selectionOf(sheet.place(rows[focus])), cx.id);
        if (e.shiftKey) cx.bus.togglePin(selectionOf(sheet.place(rows[focus])), cx.id, "extend");
      }
      fill();
    } else if ((e.key === "Enter" || e.key === " ") && focus >= 0 && e.target === scroller && sheet.place) {
      cx.bus.togglePin(selectionOf(sheet.place(rows[focus])), cx.id, pinMode(e));
    } else return;
    e.preventDefault();
    e.stopPropagation();
  });
  scroller.addEventListener("blur", () => {
    focus = -1;
    fill();
  });
  const observer = new ResizeObserver(fill);
  observer.observe(scroller);
  arrange();
  return {
    element: outer,
    changed: (changes) => (changes.some(({ channel }) => channel === "filter") ? filter() : fill()),
    restyle(next) {
      theme = next;
      fill();
    },
    destroy() {
      observer.disconnect();
      outer.remove();
    },
  };
}
