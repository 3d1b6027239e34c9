import { describe, expect, it } from "vitest";
import { createBus, match, withoutRole, type Bus, type Change } from "../src/figures/bus";

/** A bus whose frames are made by hand. */
function framed(): { bus: Bus; frame: () => void; seen: Change[][] } {
  const queue: (() => void)[] = [];
  const bus = createBus((fn) => queue.push(fn));
  const seen: Change[][] = [];
  bus.subscribe((changes) => seen.push(changes));
  return { bus, seen, frame: () => queue.splice(0).forEach((fn) => fn()) };
}

describe("the rule of matching", () => {
  const at = { "layer@a": 3, "pos@p": 7 };
  it.each([
    [{ "layer@a": [3] }, true],
    [{ "layer@a": [3], "pos@p": [6, 7] }, true],
    [{ "layer@a": [3], "pos@p": [6] }, false],
    [{ "layer@a": [3], "head@a": [1] }, true],
    [{ "head@a": [1] }, null],
    [{ "layer@b": [3] }, null],
    [{}, null],
  ])("%j gives %s", (sel, expected) => expect(match(at, sel as Record<string, number[]>)).toBe(expected));

  it("lets either of two places match a dim without roles, and tells roles apart where it can", () => {
    const cell = { "pos/dst@p": 5, "pos/src@p": 2 };
    expect(match(cell, { "pos@p": [2] })).toBe(true);
    expect(match(cell, { "pos@p": [5] })).toBe(true);
    expect(match(cell, { "pos@p": [4] })).toBe(false);
    expect(match(cell, { "pos@p": [5, 2], "pos/dst@p": [2], "pos/src@p": [5] })).toBe(false);
    expect(match(cell, { "pos@p": [5, 2], "pos/dst@p": [5], "pos/src@p": [2] })).toBe(true);
    expect(withoutRole("pos/dst@hf:owner/name")).toBe("pos@hf:owner/name");
    expect(withoutRole("pos@hf:owner/name")).toBeNull();
  });
});

describe("hover", () => {
  it("is not shared between spaces", () => {
    const { bus } = framed();
    bus.setHover({ "latent@sae-1": [4] }, "v");
    expect(bus.matches({ "latent@sae-1": 4 }, "hover")).toBe(true);
    expect(bus.matches({ "latent@sae-2": 4 }, "hover")).toBe(false);
  });
  it("stays while frozen", () => {
    const { bus } = framed();
    bus.setHover({ "pos@p": [1] }, "v");
    bus.freeze(true);
    bus.setHover(null, "v");
    expect(bus.hover).toEqual({ "pos@p": [1] });
    bus.freeze(false);
    bus.setHover(null, "v");
    expect(bus.hover).toBeNull();
  });
});

describe("pins", () => {
  const one = { "pos@p": [1] };
  it("go with the same click that set them", () => {
    const { bus } = framed();
    bus.togglePin(one, "v");
    expect(bus.matches({ "pos@p": 1 }, "pin")).toBe(true);
    bus.togglePin(one, "w");
    expect(bus.pin).toEqual({});
  });
  it("are replaced, added to and extended", () => {
    const { bus } = framed();
    bus.togglePin(one, "v");
    bus.togglePin({ "pos@p": [4] }, "v", "add");
    expect(bus.pin).toEqual({ "pos@p": [1, 4] });
    bus.togglePin({ "pos@p": [4] }, "v", "add");
    expect(bus.pin).toEqual({ "pos@p": [1] });
    bus.togglePin({ "pos@p": [3] }, "v");
    bus.togglePin({ "pos@p": [6] }, "v", "extend");
    expect(bus.pin).toEqual({ "pos@p": [3, 4, 5, 6] });
    bus.togglePin({ "pos@p": [2] }, "v", "extend");
    expect(bus.pin).toEqual({ "pos@p": [2, 3] });
  });
  it("do not change what was handed in", () => {
    const { bus } = framed();
    const given = { "pos@p": [4, 1, 4] };
    bus.togglePin(given, "v");
    expect(given).toEqual({ "pos@p": [4, 1, 4] });
    expect(bus.pin).toEqual({ "pos@p": [1, 4] });
  });
});

describe("filters", () => {
  it("spare the source and marks that share no dim", () => {
    const { bus } = framed();
    bus.setFilter({ "example@s": [2, 3] }, "scatter");
    expect(bus.passes({ "example@s": 1 }, "scatter")).toBe(true);
    expect(bus.passes({ "example@s": 1 }, "table")).toBe(false);
    expect(bus.passes({ "example@s": 2 }, "table")).toBe(true);
    expect(bus.passes({ "layer@a": 9 }, "table")).toBe(true);
    expect(bus.matches({ "example@s": 2 }, "filter", "table")).toBe(true);
    expect(bus.matches({ "layer@a": 9 }, "filter", "table")).toBe(false);
  });
  it("add up, and a brush over nothing leaves nothing", () => {
    const { bus } = framed();
    bus.setFilter({ "example@s": [1, 2] }, "a");
    bus.setFilter({ "example@s": [2, 3] }, "b");
    expect([1, 2, 3].map((i) => bus.passes({ "example@s": i }, "c"))).toEqual([false, true, false]);
    expect([1, 2, 3].map((i) => bus.passes({ "example@s": i }, "a"))).toEqual([false, true, true]);
    bus.setFilter({ "example@s": [] }, "b");
    expect(bus.passes({ "example@s": 2 }, "c")).toBe(false);
    bus.setFilter(null, "b");
    expect(bus.passes({ "example@s": 2 }, "c")).toBe(true);
  });
});

describe("escape", () => {
  it("unwinds hover, then the newest filter, then pins", () => {
    const { bus } = framed();
    bus.togglePin({ "pos@p": [1] }, "v");
    bus.setFilter({ "example@s": [1] }, "old");
    bus.setFilter({ "example@s": [2] }, "new");
    bus.setHover({ "pos@p": [2] }, "v");
    const left = () => [bus.hover !== null, [...bus.filters.keys()].join(), Object.keys(bus.pin).length];
    const steps = [];
    while (bus.escape()) steps.push(left());
    expect(steps).toEqual([
      [false, "old,new", 1],
      [false, "old", 1],
      [false, "", 1],
      [false, "", 0],
    ]);
  });
});

describe("frames", () => {
  it("gather changes, each channel and source once", () => {
    const { bus, frame, seen } = framed();
    for (let i = 0; i < 10; i++) bus.setHover({ "pos@p": [i] }, "v");
    bus.togglePin({ "pos@p": [1] }, "w");
    expect(seen).toEqual([]);
    frame();
    expect(seen).toEqual([
      [
        { channel: "hover", source: "v" },
        { channel: "pin", source: "w" },
      ],
    ]);
    frame();
    expect(seen.length).toBe(1);
  });
  it("are not made where nothing changes", () => {
    const { bus, frame, seen } = framed();
    bus.setHover(null, "v");
    bus.setHover({ "pos@p": [1] }, "v");
    bus.setHover({ "pos@p": [1] }, "w");
    frame();
    expect(seen).toEqual([[{ channel: "hover", source: "v" }]]);
  });
  it("a listener may leave", () => {
    const { bus, frame } = framed();
    let calls = 0;
    const leave = bus.subscribe(() => void calls++);
    bus.setHover({ "pos@p": [1] }, "v");
    frame();
    leave();
    bus.setHover(null, "v");
    frame();
    expect(calls).toBe(1);
  });
});

describe("what is saved", () => {
  it("comes back, without the hover", () => {
    const { bus } = framed();
    bus.setHover({ "pos@p": [9] }, "v");
    bus.togglePin({ "pos@p": [1, 3] }, "v");
    bus.setFilter({ "example@s": [5] }, "scatter");
    const saved = JSON.parse(JSON.stringify(bus.state()));
    expect(saved).toEqual({ pin: { "pos@p": [1, 3] }, filters: { scatter: { "example@s": [5] } } });
    const other = framed().bus;
    other.restore(saved);
    expect(other.state()).toEqual(saved);
    expect(other.hover).toBeNull();
  });
  it("is checked, whoever wrote it", () => {
    const { bus } = framed();
    bus.restore({ pin: { "pos@p": ["x", -1, 2.5, 4], layer: 3 }, filters: null } as never);
    expect(bus.pin).toEqual({ "pos@p": [4] });
    expect(bus.filters.size).toBe(0);
  });
});
