// The row of choices above a figure: one group of radio buttons per control, so that Tab goes from group to group and
// arrows choose.
import type { Options } from "./options";
import { make } from "./part";

export interface Choice {
  value: string;
  name: string;
  /** A sentence for who hovers it or hears it. */
  hint: string;
}

export interface Control {
  key: string;
  label: string;
  /** The first is in force until another is chosen. */
  choices: readonly Choice[];
}

const scale = (all: string, each: string): Control => ({
  key: "scale",
  label: "scale",
  choices: [
    { value: "shared", name: "shared", hint: `One scale for all ${all}` },
    { value: "own", name: "own", hint: `Each ${each} has the limits of its own values` },
  ],
});
export const SCALE = scale("panels", "panel");
export const SCALE_OF_SERIES = scale("series", "series");
export const SPREAD: Control = {
  key: "values",
  label: "values",
  choices: [
    { value: "linear", name: "linear", hint: "Colours follow the values evenly" },
    { value: "arcsinh", name: "arcsinh", hint: "Small values are spread out: linear near 0, logarithmic beyond a twentieth of the largest" },
    { value: "clip", name: "clip 1%", hint: "The outermost 1% share the end colours; the legend counts them" },
  ],
};
export const SIGN: Control = {
  key: "sign",
  label: "sign",
  choices: [
    { value: "both", name: "±", hint: "Both signs" },
    { value: "plus", name: "+", hint: "Values above 0 only; those below are left out" },
    { value: "minus", name: "−", hint: "Values below 0 only; those above are left out" },
  ],
};
export const FIRST: Control = {
  key: "first",
  label: "first token",
  choices: [
    { value: "shown", name: "shown", hint: "The first token is coloured as all others" },
    { value: "out", name: "left out", hint: "The first token is left out, and the others have the scale for themselves" },
  ],
};
export const FORM: Control = {
  key: "as",
  label: "as",
  choices: [
    { value: "map", name: "map", hint: "Destinations by sources" },
    { value: "text", name: "text", hint: "The tokens, coloured by attention from or to one of them" },
  ],
};
export const DIRECTION: Control = {
  key: "direction",
  label: "attention",
  choices: [
    { value: "from", name: "from", hint: "How much the token under the pointer looks at each token" },
    { value: "to", name: "to", hint: "How much each token looks at the token under the pointer" },
  ],
};

export const words = (control: Control): readonly string[] => control.choices.map(({ value }) => value);

let rows = 0;

export interface ToolRow {
  element: HTMLElement;
  /** Shows these controls, with what is chosen now. */
  show(controls: readonly Control[]): void;
}

export function toolRow(options: Options): ToolRow {
  const element = make("div", "fig-tools");
  const name = `fig-tools-${rows++}`;
  let shown: readonly Control[] = [];
  const inputs: HTMLInputElement[] = [];

  function build(controls: readonly Control[]) {
    shown = controls;
    inputs.length = 0;
    element.hidden = controls.length === 0;
    element.replaceChildren(
      ...controls.map((control) => {
        const group = make("div", "fig-control");
        group.setAttribute("role", "radiogroup");
        group.setAttribute("aria-label", control.label);
        group.append(make("span", "fig-control-name", control.label));
        for (const choice of control.choices) {
          const label = make("label", "fig-choice");
          label.title = choice.hint;
          const input = make("input");
          input.type = "radio";
          input.name = `${name}-${control.key}`;
          input.value = choice.value;
          input.dataset.key = control.key;
          input.setAttribute("aria-label", `${choice.name}: ${choice.hint}`);
          input.addEventListener("change", () => options.set(control.key, choice.value));
          // Arrows belong to the group, not to what listens above the figure.
          input.addEventListener("keydown", (e) => e.key.startsWith("Arrow") && e.stopPropagation());
          inputs.push(input);
          label.append(input, make("span", "", choice.name));
          group.append(label);
        }
        return group;
      }),
    );
  }
  return {
    element,
    show(controls) {
      if (controls.length !== shown.length || controls.some((control, i) => control !== shown[i])) {
        const held = inputs.find((input) => input === document.activeElement);
        build(controls);
        // Who chose by keyboard stays where they were.
        if (held) inputs.find((input) => input.dataset.key === held.dataset.key && input.value === held.value)?.focus();
      }
      for (const input of inputs) {
        const control = shown.find(({ key }) => key === input.dataset.key)!;
        input.checked = options.one(control.key, words(control)) === input.value;
      }
    },
  };
}
