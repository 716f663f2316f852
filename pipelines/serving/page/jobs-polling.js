/** Something that is asked again and again, never twice at a time. */

export class Polling {
  #ask;
  #asking = new AbortController();
  #timer = 0;

  /** @param {(signal: AbortSignal) => Promise<number|null>} ask resolves to the milliseconds until the next time, or null */
  constructor(ask) {
    this.#ask = ask;
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.#timer) this.now();
    });
  }

  /** Ask at once; whatever is asked already is dropped. */
  async now() {
    this.stop();
    const { signal } = (this.#asking = new AbortController());
    const wait = await this.#ask(signal);
    if (wait !== null && !signal.aborted) this.#timer = setTimeout(() => this.now(), wait);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#asking.abort();
  }
}
