// Which of several series is shown: radio buttons while they are few, else a list with a search.
import { make } from "./part";

const MOST_BUTTONS = 12;
let pickers = 0;

export interface Picker {
  element: HTMLElement;
  show(chosen: number): void;
}

export interface PickerUse {
  label: string;
  names: readonly string[];
  choose(i: number): void;
  /** What the pointer or the keyboard is on, -1 when it leaves. */
  hover(i: number): void;
}

export function picker(use: PickerUse): Picker {
  const element = make("div", "fig-picker");
  const name = `fig-picker-${pickers++}`;
  return use.names.length <= MOST_BUTTONS ? buttons(element, name, use) : list(element, use);
}

function buttons(element: HTMLElement, name: string, { label, names, choose, hover }: PickerUse): Picker {
  element.setAttribute("role", "radiogroup");
  element.setAttribute("aria-label", label);
  element.append(make("span", "fig-control-name", label));
  const inputs = names.map((words, i) => {
    const choice = make("label", "fig-choice");
    const input = make("input");
    input.type = "radio";
    input.name = name;
    input.addEventListener("change", () => choose(i));
    input.addEventListener("keydown", (e) => e.key.startsWith("Arrow") && e.stopPropagation());
    choice.addEventListener("pointerenter", () => hover(i));
    choice.addEventListener("pointerleave", () => hover(-1));
    choice.append(input, make("span", "", words));
    element.append(choice);
    return input;
  });
  return { element, show: (chosen) => inputs.forEach((input, i) => (input.checked = i === chosen)) };
}

function list(element: HTMLElement, { label, names, choose, hover }: PickerUse): Picker {
  const search = make("input", "fig-search");
  search.type = "search";
  search.placeholder = "find";
  search.setAttribute("aria-label", `Find among ${label}`);
  const select = make("select", "fig-select");
  select.setAttribute("aria-label", label);
  const options = names.map((words, i) => {
    const option = make("option", "", words);
    option.value = String(i);
    return option;
  });
  const count = make("span", "fig-control-name");
  count.setAttribute("aria-live", "polite");
  let chosen = 0;
  function filter() {
    const wanted = search.value.trim().toLowerCase();
    const found = options.filter((option, i) => i === chosen || (option.textContent ?? "").toLowerCase().includes(wanted));
    select.replaceChildren(...found);
    select.value = String(chosen);
    const exact = options.filter((option) => (option.textContent ?? "").toLowerCase().includes(wanted)).length;
    count.textContent = wanted ? `${exact} of ${names.length}` : `of ${names.length}`;
  }
  search.addEventListener("input", filter);
  search.addEventListener("keydown", (e) => {
    e.stopPropagation();
    if (e.key !== "Enter") return;
    const wanted = search.value.trim().toLowerCase();
    const whole = names.findIndex((words) => words.toLowerCase() === wanted);
    const first = whole >= 0 ? whole : names.findIndex((words) => words.toLowerCase().includes(wanted));
    if (first >= 0) choose(first);
  });
  select.addEventListener("change", () => choose(Number(select.value)));
  select.addEventListener("keydown", (e) => e.key !== "Escape" && e.stopPropagation());
  select.addEventListener("pointerenter", () => hover(chosen));
  select.addEventListener("pointerleave", () => hover(-1));
  element.append(make("span", "fig-control-name", label), search, select, count);
  return {
    element,
    show(next) {
      chosen = next;
      filter();
    },
  };
}
