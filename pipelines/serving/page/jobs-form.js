/** The form that a job is handed in with. */

import { fileSize } from "./format.js";
import { submitPaths, submitUpload } from "./jobs-api.js";
import { FileField, requirePicture, requireZip } from "./jobs-file.js";
import { FileError } from "./photograph.js";

const LOSSY = ["same", "jpeg", "webp"];

export class JobForm {
  #form;
  #fields;
  #pictures;
  #masks;
  #most = Infinity; // bytes of an upload

  /** @param {(action: () => Promise<void>) => void} attempt runs what may fail, and tells people */
  constructor(form, attempt) {
    this.#form = form;
    this.#fields = form.elements;
    const find = (selector) => form.querySelector(selector);
    this.#pictures = new FileField(find(".pictures"), (file) => this.#check(file, requireZip, this.#masks), attempt);
    this.#masks = new FileField(find(".mask-file"), (file) => this.#checkMasks(file), attempt);
    form.addEventListener("input", (event) => this.#change(event));
    this.#show();
  }

  /** Offer what the endpoint takes. */
  offer({ jobs, reconstruction }) {
    this.#most = jobs.max_upload_bytes;
    this.#say("#upload-limit", `At most ${fileSize(this.#most)} in all.`);
    this.#form.querySelector(".sources").hidden = jobs.roots.length === 0;
    this.#say("#roots", jobs.roots.join(", "));
    this.#fields.passes.value = reconstruction.max_passes;
    this.#show();
  }

  /** Take a file that was dropped onto an element, or pasted. */
  async take(file, target) {
    if (this.#entries.disabled || this.#fields.source.value !== "upload") return;
    await (this.#masks.contains(target) ? this.#masks : this.#pictures).take(file);
  }

  /**
   * What hands in what is entered now: called with `{signal, onProgress}`, it returns the job.
   *
   * @throws {FileError} while something is missing
   */
  prepare() {
    if (this.#fields.source.value === "storage") return this.#named();
    const form = new FormData();
    form.set("pictures", this.#required(this.#pictures, "Choose a zip file with the pictures first."));
    form.set("masks", this.#maskField());
    for (const [name, value] of Object.entries(this.#options)) form.set(name, value);
    return (upload) => submitUpload(form, upload);
  }

  /** Forget the files, once they are handed in. */
  clear() {
    this.#pictures.clear();
    this.#masks.clear();
  }

  /** Let nobody change what is being sent. */
  set disabled(is) {
    this.#entries.disabled = is;
  }

  get #entries() {
    return this.#form.querySelector(".entries");
  }

  #maskField() {
    const { kind, colour } = this.#fields;
    if (kind.value === "alpha") return "alpha";
    if (kind.value === "colour") return `chroma:${colour.value.slice(1)}`;
    const masks = kind.value === "zip" ? "zip file with the masks" : "picture that is the mask";
    return this.#required(this.#masks, `Choose a ${masks} first.`);
  }

  #required(field, message) {
    if (field.file) return field.file;
    field.focus();
    throw new FileError(message);
  }

  #named() {
    const { input, masks, output } = this.#fields;
    const places = { input: input.value.trim(), masks: masks.value.trim(), output: output.value.trim() };
    const job = { ...places, ...this.#options };
    return ({ signal, onProgress }) => {
      onProgress(1);
      return submitPaths(job, { signal });
    };
  }

  get #options() {
    const { strategy, passes, format, quality } = this.#fields;
    return {
      strategy: strategy.value,
      passes: Number(passes.value),
      format: format.value,
      quality: Number(quality.value),
    };
  }

  async #checkMasks(file) {
    await this.#check(file, this.#fields.kind.value === "zip" ? requireZip : requirePicture, this.#pictures);
  }

  async #check(file, require, other) {
    const size = file.size + (other.file?.size ?? 0);
    if (size > this.#most) {
      const what = other.file ? `${file.name} and ${other.file.name} together have` : `${file.name} has`;
      throw new FileError(
        `${what} ${fileSize(size)}; this server takes at most ${fileSize(this.#most)} in one job. Make several jobs of it.`,
      );
    }
    await require(file);
  }

  #change({ target }) {
    if (target.name === "kind") this.#masks.clear();
    this.#show();
  }

  #show() {
    const { source, kind, passes, quality, strategy, format } = this.#fields;
    for (const part of this.#form.querySelectorAll("[data-source]")) {
      part.hidden = part.disabled = part.dataset.source !== source.value;
    }
    for (const part of this.#form.querySelectorAll("[data-kind]")) {
      part.hidden = !part.dataset.kind.split(" ").includes(kind.value);
    }
    this.#say(".mask-file label span", kind.value === "zip" ? "Choose the masks" : "Choose the mask");
    this.#form.querySelector(".mask-file input").accept = kind.value === "zip" ? ".zip,application/zip" : "image/*";
    this.#say(".passes output", passes.value);
    this.#say(".quality output", quality.value);
    this.#form.querySelector(".quality").hidden = !LOSSY.includes(format.value);
    this.#say("summary span", `${strategy.value}, at most ${passes.value} passes`);
  }

  #say(selector, words) {
    this.#form.querySelector(selector).textContent = words;
  }
}
