/** A place in a form for one file: chosen, dropped or pasted. */

import { fileSize } from "./format.js";
import { onChosen } from "./incoming.js";
import { FileError } from "./photograph.js";

export class FileField {
  /** What is in it, or null. */
  file = null;

  #root;
  #input;
  #check;
  #empty;

  /**
   * @param {HTMLElement} root holds a file input, its label, and a `.held` that says what is in it
   * @param {(file: File) => Promise<void>} check rejects with what is wrong with a file
   * @param {(action: () => Promise<void>) => void} attempt runs what may fail, and tells people
   */
  constructor(root, check, attempt) {
    this.#root = root;
    this.#input = root.querySelector("input");
    this.#check = check;
    this.#empty = root.querySelector(".held").textContent;
    onChosen(this.#input, (file) => attempt(() => this.take(file)));
  }

  /** Put a file in. @throws {FileError} */
  async take(file) {
    await this.#check(file);
    this.#hold(file);
  }

  clear() {
    this.#hold(null);
  }

  /** Whether something was dropped here. */
  contains(element) {
    return this.#root.contains(element);
  }

  focus() {
    this.#input.focus();
  }

  #hold(file) {
    this.file = file;
    this.#root.classList.toggle("full", file !== null);
    this.#root.querySelector(".held").textContent = file ? `${file.name}, ${fileSize(file.size)}` : this.#empty;
  }
}

/** @throws {FileError} for what does not begin as zip files do */
export async function requireZip(file) {
  const start = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  if (String.fromCharCode(...start) === "PK") return;
  throw new FileError(`${file.name} is not a zip file. Put the files into a zip file, folders and all, and choose that.`);
}

/** @throws {FileError} for what is no picture by its name */
export async function requirePicture(file) {
  if (file.type.startsWith("image/")) return;
  throw new FileError(`${file.name} is not a picture. Choose a black and white picture, white where the hole is.`);
}
