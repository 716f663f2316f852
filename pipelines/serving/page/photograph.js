/** A photograph as the browser shows it: upright, at its own size. */

import { fileSize, megapixels } from "./format.js";

const EXTENSIONS = { "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/tiff": "tiff" };

/** A file that cannot be worked on; its message names the way out, `command` is to be copied. */
export class FileError extends Error {
  constructor(message, command = "") {
    super(message);
    this.name = "FileError";
    this.command = command;
  }
}

/**
 * Open what somebody chose, dropped or pasted.
 *
 * @param {File} file
 * @param {{max_bytes: number, max_pixels: number}} limits the server's, checked before an upload that it would cut off
 * @returns {Promise<{file: File, image: HTMLImageElement, width: number, height: number}>}
 *   width and height are those of the display orientation
 * @throws {FileError} no picture, none that this browser shows, or over a limit
 */
export async function openPhotograph(file, limits) {
  if (file.size > limits.max_bytes) {
    throw new FileError(
      `${file.name} has ${fileSize(file.size)}; this server takes at most ${fileSize(limits.max_bytes)}. Save it smaller.`,
    );
  }
  const image = await decode(file);
  const { naturalWidth: width, naturalHeight: height } = image;
  if (width * height > limits.max_pixels) {
    close({ image });
    throw new FileError(
      `${file.name} has ${megapixels(width * height)}; this server takes at most ${megapixels(limits.max_pixels)}. Scale it down.`,
    );
  }
  return { file, image, width, height };
}

/** Give back the memory of a photograph that is shown no more. */
export function close({ image }) {
  URL.revokeObjectURL(image.src);
}

async function decode(file) {
  const image = new Image();
  image.src = URL.createObjectURL(file);
  try {
    await image.decode();
  } catch {
    close({ image });
    throw await unshowable(file);
  }
  return image;
}

async function unshowable(file) {
  if (await isTiff(file)) {
    return new FileError(
      "This browser cannot show TIFF files, so there is nothing to paint on. The API takes them, with a mask of the same size:",
      `curl -F 'image=@${file.name.replaceAll("'", "'\\''")}' -F mask=@mask.png ${new URL("v1/inpaint", document.baseURI)} -o filled.tiff`,
    );
  }
  if (file.type.startsWith("image/")) {
    return new FileError(
      `${file.name} cannot be shown: it is damaged, or this browser does not know its format. JPEG, PNG and WebP always work.`,
    );
  }
  return new FileError(`${file.name} is not a picture. Choose a JPEG, PNG or WebP file.`);
}

async function isTiff(file) {
  const start = String.fromCharCode(...new Uint8Array(await file.slice(0, 4).arrayBuffer()));
  return start === "II*\0" || start === "MM\0*";
}

/**
 * The bytes of a `data:` URL, named after the photograph they came from.
 * (Content policies let a page show such a URL, but not fetch it.)
 */
export function fileFromDataUrl(url, original) {
  const [, type, base64] = /^data:([^;,]+);base64,(.*)$/s.exec(url);
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index += 1) bytes[index] = binary.charCodeAt(index);
  return new File([bytes], filledName(original, type), { type });
}

/** `beach.JPG` becomes `beach-filled.JPG`; what was filled already keeps its name. */
function filledName({ name, type: originalType }, type) {
  const [, stem, extension] = /^(.*?)(?:\.([^.]*))?$/s.exec(name);
  const ending = type === originalType && extension ? extension : EXTENSIONS[type];
  return `${stem.replace(/-filled$/, "")}-filled.${ending}`;
}
