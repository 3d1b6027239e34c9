// PNG with at most 256 colours: a third of the size, and for pictures of a page hardly another picture.
import { writeFile } from "node:fs/promises";
import zlib from "node:zlib";

/** The pixels of a PNG of 8 bits without alpha, as Chromium writes it. */
function decode(png) {
  const [width, height, channels, parts] = [png.readUInt32BE(16), png.readUInt32BE(20), 3, []];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    if (png.toString("latin1", at + 4, at + 8) === "IDAT") parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  }
  const [raw, wide] = [zlib.inflateSync(Buffer.concat(parts)), width * channels];
  const pixels = Buffer.alloc(wide * height);
  for (let y = 0; y < height; y += 1) {
    const filter = raw[y * (wide + 1)];
    for (let x = 0; x < wide; x += 1) {
      const left = x >= channels ? pixels[y * wide + x - channels] : 0;
      const up = y ? pixels[(y - 1) * wide + x] : 0;
      const corner = y && x >= channels ? pixels[(y - 1) * wide + x - channels] : 0;
      const guess = left + up - corner;
      const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
      const paeth = a <= b && a <= c ? left : b <= c ? up : corner;
      pixels[y * wide + x] = raw[y * (wide + 1) + 1 + x] + [0, left, up, (left + up) >> 1, paeth][filter];
    }
  }
  return { width, height, colours: Uint32Array.from({ length: width * height }, (_, i) => pixels.readUIntBE(i * channels, channels)) };
}

/** 256 colours, each in turn the one that those before it serve worst: far from all of them, and common. */
function palette(counts) {
  const colours = [...counts.keys()];
  const weight = colours.map((colour) => Math.sqrt(counts.get(colour)));
  const [far, nearest, chosen] = [colours.map(() => Infinity), colours.map(() => 0), []];
  const apart = (p, q) => [16, 8, 0].reduce((sum, shift) => sum + (((p >> shift) & 255) - ((q >> shift) & 255)) ** 2, 0);
  let next = weight.indexOf(Math.max(...weight));
  while (chosen.length < 256 && far[next] > 0) {
    chosen.push(colours[next]);
    let worst = 0;
    for (let i = 0; i < colours.length; i += 1) {
      const distance = apart(colours[i], chosen.at(-1));
      if (distance < far[i]) [far[i], nearest[i]] = [distance, chosen.length - 1];
      if (far[i] * weight[i] > far[worst] * weight[worst]) worst = i;
    }
    next = worst;
  }
  return { chosen, index: new Map(colours.map((colour, i) => [colour, nearest[i]])) };
}

function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name, "latin1"), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(zlib.crc32(body));
  return Buffer.concat([length, body, sum]);
}

/** Writes a PNG with a palette. */
export async function quantise(png, file) {
  const { width, height, colours } = decode(png);
  const counts = new Map();
  for (const colour of colours) counts.set(colour, (counts.get(colour) ?? 0) + 1);
  const { chosen, index } = palette(counts);
  // Each row begins with its filter: none.
  const rows = Buffer.alloc((width + 1) * height);
  colours.forEach((colour, i) => (rows[Math.floor(i / width) + i + 1] = index.get(colour)));
  const header = Buffer.from(png.subarray(16, 29));
  header.set([8, 3], 8);
  const table = Buffer.from(chosen.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]));
  const parts = [chunk("IHDR", header), chunk("PLTE", table), chunk("IDAT", zlib.deflateSync(rows, { level: 9 })), chunk("IEND", Buffer.alloc(0))];
  await writeFile(file, Buffer.concat([png.subarray(0, 8), ...parts]));
}
