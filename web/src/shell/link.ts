// The permalink in the address: `#ws=NAME&sel=pos@prompt:3f2a=3-9,12;layer@model:x=4`.

import type { Selection } from "../figures/bus";

export interface Link {
  ws: string | null;
  sel: Selection;
}

const LONGEST = 2000;
const MOST = 10_000;
const NAME = /^[\p{Alphabetic}\p{N}_ -]+$/u;
const LONGEST_NAME = 100;
const KEY = /^[a-z][a-z_]{0,15}(?:\/(?:dst|src))?@[A-Za-z0-9:._/@ -]{1,200}$/;

/** The program's rule for names, which are also those of files: the length is that in bytes. */
export function validName(name: string): boolean {
  return NAME.test(name) && name.trim() !== "" && new TextEncoder().encode(name).length <= LONGEST_NAME;
}

function ranges(indices: readonly number[]): string {
  const sorted = [...new Set(indices)].sort((a, b) => a - b);
  const out: string[] = [];
  for (let i = 0; i < sorted.length; ) {
    let j = i;
    while (j + 1 < sorted.length && sorted[j + 1] === (sorted[j] ?? 0) + 1) j += 1;
    out.push(i === j ? `${sorted[i]}` : `${sorted[i]}-${sorted[j]}`);
    i = j + 1;
  }
  return out.join(",");
}

function indices(text: string): number[] | null {
  const out: number[] = [];
  for (const part of text.split(",")) {
    const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(part);
    if (!match) return null;
    const from = Number(match[1]);
    const to = Number(match[2] ?? match[1]);
    if (to < from || out.length + to - from + 1 > MOST) return null;
    for (let i = from; i <= to; i += 1) out.push(i);
  }
  return out;
}

/** The hash for a workspace and pins; pins that would make it too long are left out. */
export function writeLink(link: Link): string {
  const parts: string[] = [];
  if (link.ws !== null) parts.push(`ws=${encodeURIComponent(link.ws)}`);
  const entries = Object.entries(link.sel).filter(([key, at]) => KEY.test(key) && at.length > 0);
  const sel = entries.map(([key, at]) => `${key}=${ranges(at)}`).join(";");
  // Only what would end the hash or be lost is escaped: a link is also read by people.
  const kept = encodeURIComponent(sel).replace(/%(3A|3B|3D|40|2C|2F)/g, (c) => decodeURIComponent(c));
  if (sel && parts.join("&").length + kept.length + 6 <= LONGEST) parts.push(`sel=${kept}`);
  return parts.length ? `#${parts.join("&")}` : "";
}

/** Reads a hash. What does not fit the schema is left out. */
export function readLink(hash: string): Link {
  const link: Link = { ws: null, sel: {} };
  if (hash.length > LONGEST) return link;
  for (const part of hash.replace(/^#/, "").split("&")) {
    const at = part.indexOf("=");
    if (at < 0) continue;
    let value: string;
    try {
      value = decodeURIComponent(part.slice(at + 1));
    } catch {
      continue;
    }
    if (part.slice(0, at) === "ws" && validName(value)) link.ws = value;
    if (part.slice(0, at) === "sel") {
      for (const one of value.split(";")) {
        const cut = one.lastIndexOf("=");
        const key = one.slice(0, cut);
        const found = cut > 0 && KEY.test(key) ? indices(one.slice(cut + 1)) : null;
        if (found) link.sel[key] = found;
      }
    }
  }
  return link;
}
