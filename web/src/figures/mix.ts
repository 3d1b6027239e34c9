// Several heads at once: each has a hue of its own, mixed by how strong it is.
import { category, type Rgb } from "./colour";

/** As many as there are hues to tell apart. */
export const MOST_HUES = 8;

const PAGE: Rgb = [255, 255, 255];
const PAGE_DARK: Rgb = [0x14, 0x1a, 0x22];

/** The page where all are 0, a head's hue where it alone is 1; where several are strong, their mean by strength. */
export function mix(strengths: readonly number[], dark: boolean): Rgb {
  const page = dark ? PAGE_DARK : PAGE;
  let [sum, red, green, blue] = [0, 0, 0, 0];
  strengths.forEach((strength, i) => {
    const share = strength > 0 ? Math.min(1, strength) : 0;
    const [r, g, b] = category(i, dark);
    sum += share;
    red += share * r;
    green += share * g;
    blue += share * b;
  });
  if (sum === 0) return page;
  const cover = Math.min(1, sum);
  const over = (colour: number, ground: number) => Math.round(ground + (colour / sum - ground) * cover);
  return [over(red, page[0]), over(green, page[1]), over(blue, page[2])];
}
