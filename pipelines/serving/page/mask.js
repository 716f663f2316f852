/** Masks as files, white = hole: made of what was painted, and read to be painted on. */

import { FileError } from "./photograph.js";
import { greyPng } from "./png.js";

const BAND = 512; // rows that are rasterised at a time
const ESTIMATE = 256; // longer side of the drawing that the share of the hole is measured on

/**
 * Rasterise a hole at full size.
 *
 * @returns {Promise<{mask: Blob, pixels: number}>} a PNG of nothing but black and white, and how many are white
 */
export async function rasterise(hole, { width, height }) {
  let pixels = 0;
  function* bands() {
    const context = drawing(width, Math.min(BAND, height));
    for (let top = 0; top < height; top += BAND) {
      const rows = Math.min(BAND, height - top);
      const band = binarise(alphas(context, hole, top, rows), width, rows);
      pixels += band.pixels;
      yield band.bytes;
    }
  }
  return { mask: await greyPng(width, height, bands()), pixels };
}

function alphas(context, hole, top, rows) {
  const { width, height } = context.canvas;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, width, height);
  context.translate(0, -top);
  hole.draw(context, "white");
  return context.getImageData(0, 0, width, rows).data;
}

/** RGBA -> rows of PNG: a filter type, then a byte per pixel, white where alpha is 128 or more. */
function binarise(rgba, width, rows) {
  const bytes = new Uint8Array((width + 1) * rows);
  let pixels = 0;
  let alpha = 3;
  for (let row = 0; row < rows; row += 1) {
    const start = row * (width + 1) + 1;
    for (let column = 0; column < width; column += 1, alpha += 4) {
      if (rgba[alpha] < 128) continue;
      bytes[start + column] = 255;
      pixels += 1;
    }
  }
  return { bytes, pixels };
}

/** Share of the photograph that the hole covers, in [0, 1], quick enough to follow the brush. */
export function estimateRatio(hole, { width, height }) {
  const scale = Math.min(1, ESTIMATE / Math.max(width, height));
  const context = drawing(Math.ceil(width * scale), Math.ceil(height * scale));
  context.scale(context.canvas.width / width, context.canvas.height / height);
  hole.draw(context, "white");
  const { data } = context.getImageData(0, 0, context.canvas.width, context.canvas.height);
  let covered = 0;
  for (let alpha = 3; alpha < data.length; alpha += 4) covered += data[alpha];
  return covered / (255 * (data.length / 4));
}

/**
 * Read a mask file for this photograph.
 *
 * @returns {Promise<HTMLCanvasElement>} opaque where the file is white (128 of 255 or more), else transparent
 * @throws {FileError} no picture, another size, or nothing white in it
 */
export async function readMask(file, { width, height }) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none" }).catch(() => {
    throw new FileError(`${file.name} is not a picture that this browser can read. A mask is best a PNG, white where the hole is.`);
  });
  if (bitmap.width !== width || bitmap.height !== height) {
    throw new FileError(
      `The mask has ${bitmap.width} × ${bitmap.height} pixels and the photograph ${width} × ${height}. Make them the same size.`,
    );
  }
  const context = drawing(width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  if (whitesToAlpha(context) === 0) throw new FileError(`Nothing in ${file.name} is white, and white marks the hole.`);
  return context.canvas;
}

function whitesToAlpha(context) {
  const image = context.getImageData(0, 0, context.canvas.width, context.canvas.height);
  const { data } = image;
  let whites = 0;
  for (let index = 0; index < data.length; index += 4) {
    const luma = 0.299 * data[index] + 0.587 * data[index + 1] + 0.114 * data[index + 2];
    const white = (luma * data[index + 3]) / 255 >= 127.5;
    data[index + 3] = white ? 255 : 0;
    whites += white;
  }
  context.putImageData(image, 0, 0);
  return whites;
}

function drawing(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas.getContext("2d", { willReadFrequently: true });
}
