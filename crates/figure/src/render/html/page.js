
"use strict";
// Tells the value under the pointer. Text of the figure is only ever set through textContent.
const hot = JSON.parse(document.getElementById("hot").textContent);
const svg = document.querySelector("svg");
const tip = document.getElementById("tip");
const outline = document.createElementNS("http://www.w3.org/2000/svg", "rect");
outline.id = "outline";
outline.setAttribute("visibility", "hidden");
svg.append(outline);

// The cell of a grid at a place, as its rectangle and the words to show.
function cell(grid, x, y) {
  const wide = grid.width / grid.columns.length;
  const high = grid.height / grid.rows.length;
  const column = Math.min(Math.floor((x - grid.x) / wide), grid.columns.length - 1);
  const row = Math.min(Math.floor((y - grid.y) / high), grid.rows.length - 1);
  if (grid.exist.length && column >= grid.exist[row]) return null;
  const i = row * grid.columns.length + column;
  const lines = [`${grid.value_label || "value"}: ${grid.values[i]}`];
  lines.push(`${grid.row_label}: ${grid.rows[row]}`, `${grid.column_label}: ${grid.columns[column]}`);
  if (grid.details.length && grid.details[i]) lines.push(grid.details[i]);
  return {
    x: grid.x + column * wide, y: grid.y + row * high, width: wide, height: high,
    head: grid.labels.length ? grid.labels[i] : "", text: lines.join("\n"),
  };
}

function inside(box, x, y) {
  return x >= box.x && x < box.x + box.width && y >= box.y && y < box.y + box.height;
}

// What is at a place: the last drawn rectangle around it, else the nearest point.
function find(x, y) {
  for (let i = hot.length - 1; i >= 0; i--) {
    if (hot[i].width > 0 && inside(hot[i], x, y)) {
      const found = hot[i].is === "grid" ? cell(hot[i], x, y) : hot[i];
      if (found) return found;
    }
  }
  let nearest = null;
  let best = 14 * 14;
  for (const mark of hot) {
    if (mark.width > 0) continue;
    const far = (mark.x - x) ** 2 + (mark.y - y) ** 2;
    if (far < best) [best, nearest] = [far, mark];
  }
  return nearest && { ...nearest, x: nearest.x - 5, y: nearest.y - 5, width: 10, height: 10 };
}

function show(event) {
  const box = svg.getBoundingClientRect();
  const scale = svg.viewBox.baseVal.width / box.width;
  const found = find((event.clientX - box.left) * scale, (event.clientY - box.top) * scale);
  outline.setAttribute("visibility", found ? "visible" : "hidden");
  tip.hidden = !found;
  if (!found) return;
  for (const side of ["x", "y", "width", "height"]) outline.setAttribute(side, found[side]);
  tip.textContent = "";
  if (found.head) {
    const head = document.createElement("b");
    head.textContent = found.head;
    tip.append(head);
  }
  const text = document.createElement("span");
  text.textContent = found.text;
  tip.append(text);
  const left = event.clientX + 14 + tip.offsetWidth > innerWidth ? event.clientX - 14 - tip.offsetWidth : event.clientX + 14;
  const top = event.clientY + 14 + tip.offsetHeight > innerHeight ? event.clientY - 14 - tip.offsetHeight : event.clientY + 14;
  tip.style.left = `${Math.max(0, left)}px`;
  tip.style.top = `${Math.max(0, top)}px`;
}

svg.addEventListener("pointermove", show);
svg.addEventListener("pointerdown", show);
svg.addEventListener("pointerleave", () => {
  tip.hidden = true;
  outline.setAttribute("visibility", "hidden");
});
