// Tokens for eyes, for screen readers, and as names of prompts.

export { visibleToken as visible } from "../figures/numbers";

/** The name that a screen reader is to say for a token. */
export function spoken(token: string): string {
  const named = token.replace(/\n/g, " line end ").replace(/\t/g, " tab ");
  const body = named.trim() === "" ? (token === "" ? "nothing" : named.trim() || "space") : named.trim();
  return token.startsWith(" ") && token.trim() !== "" ? `space ${body}` : body;
}

/** FNV-1a over token ids: a short name for a prompt, the same on every machine. */
export function hashIds(ids: readonly number[]): string {
  let h = 0x811c9dc5;
  for (const id of ids) {
    for (let shift = 0; shift < 32; shift += 8) {
      h ^= (id >>> shift) & 0xff;
      h = Math.imul(h, 0x01000193);
    }
  }
  return (h >>> 0).toString(16).padStart(8, "0");
}
