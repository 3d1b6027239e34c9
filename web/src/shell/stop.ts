// One tab stop per view: what lies inside is reached after Enter, or by the mouse.

const REACHED = "a[href],button,input,select,textarea,summary,[tabindex]";

export interface Stop {
  enter(): void;
  destroy(): void;
}

/** Takes all inside `node` but `handle` out of the tab order until the view is entered. */
export function oneStop(node: HTMLElement, handle: () => HTMLElement): Stop {
  const before = new Map<HTMLElement, string | null>();
  let entered = false;

  const demote = () => {
    if (entered) return;
    for (const el of node.querySelectorAll<HTMLElement>(REACHED)) {
      if (el === handle() || el.tabIndex < 0) continue;
      before.set(el, el.getAttribute("tabindex"));
      el.tabIndex = -1;
    }
  };
  const restore = () => {
    for (const [el, old] of before) {
      if (old === null) el.removeAttribute("tabindex");
      else el.setAttribute("tabindex", old);
    }
    before.clear();
  };
  const observer = new MutationObserver(demote);
  const watch = () => observer.observe(node, { childList: true, subtree: true, attributes: true, attributeFilter: ["tabindex", "href"] });
  const enter = () => {
    if (entered) return;
    entered = true;
    observer.disconnect();
    restore();
  };
  const leave = () => {
    if (!entered) return;
    entered = false;
    demote();
    watch();
  };
  const focusin = (e: FocusEvent) => {
    if (e.target === handle()) leave();
    else enter();
  };
  const focusout = (e: FocusEvent) => {
    if (!(e.relatedTarget instanceof Node) || !node.contains(e.relatedTarget)) leave();
  };
  node.addEventListener("focusin", focusin);
  node.addEventListener("focusout", focusout);
  demote();
  watch();
  return {
    enter,
    destroy() {
      observer.disconnect();
      node.removeEventListener("focusin", focusin);
      node.removeEventListener("focusout", focusout);
    },
  };
}
