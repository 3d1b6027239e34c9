// What is pinned or compared, in words for the line at the foot.

import type { Selection } from "../figures/bus";

/** `layer 1, pos 3 4`: dims without their spaces, long lists cut. A dim with roles stands for the one without. */
export function told(sel: Selection | null): string {
  const dims = Object.entries(sel ?? {}).filter(([, at]) => at.length > 0);
  const named = dims.map(([key, at]) => ({ dim: key.split("@")[0] ?? key, at }));
  const roles = named.flatMap(({ dim }) => (dim.includes("/") ? [dim.split("/")[0]] : []));
  return named
    .filter(({ dim }) => !roles.includes(dim))
    .map(({ dim, at }) => `${dim.split("/").at(-1)} ${at.length > 6 ? `${at.slice(0, 6).join(" ")} … (${at.length})` : at.join(" ")}`)
    .join(", ");
}
