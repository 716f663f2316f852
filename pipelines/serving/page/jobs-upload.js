/** A job being handed in: how much is sent, and the way to stop it. */

import { percent } from "./format.js";

/** Have the browser ask before it leaves the page, which would end the upload. */
function warn(event) {
  event.preventDefault();
}

export class Upload {
  #root;
  #button;
  #stop = null;

  constructor(root, button) {
    this.#root = root;
    this.#button = button;
    root.querySelector("button").addEventListener("click", () => this.#stop.abort());
  }

  /** Show what `send({signal, onProgress})` does until it is done. */
  async show(send) {
    this.#stop = new AbortController();
    this.#toggle(true);
    this.#say(0);
    this.#root.querySelector("button").focus();
    try {
      return await send({ signal: this.#stop.signal, onProgress: (ratio) => this.#say(ratio) });
    } finally {
      this.#toggle(false);
      this.#button.focus();
    }
  }

  #toggle(on) {
    this.#root.hidden = !on;
    this.#button.hidden = on;
    (on ? addEventListener : removeEventListener)("beforeunload", warn);
  }

  #say(ratio) {
    const words = ratio < 1 ? `Sending, ${percent(ratio)}` : "Sent; the server looks at it";
    const bar = this.#root.querySelector("[role=progressbar]");
    bar.style.setProperty("--done", ratio);
    bar.setAttribute("aria-valuenow", Math.round(ratio * 100));
    bar.setAttribute("aria-valuetext", words);
    this.#root.querySelector("p").textContent = words;
  }
}
