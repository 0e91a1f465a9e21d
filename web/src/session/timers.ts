/** Timers that end with what they belong to. One of a name takes the place of the one before. */
export class Timers {
  #once = new Map<unknown, ReturnType<typeof setTimeout>>();
  #repeating = new Set<ReturnType<typeof setInterval>>();
  #ended = false;

  later(ms: number, job: () => void, name: unknown = Symbol()): void {
    this.cancel(name);
    if (this.#ended) return;
    const timer = setTimeout(() => {
      this.#once.delete(name);
      job();
    }, ms);
    this.#once.set(name, timer);
  }

  every(ms: number, job: () => void): void {
    if (!this.#ended) this.#repeating.add(setInterval(job, ms));
  }

  waits(name: unknown): boolean {
    return this.#once.has(name);
  }

  cancel(name: unknown): void {
    clearTimeout(this.#once.get(name));
    this.#once.delete(name);
  }

  end(): void {
    this.#ended = true;
    for (const timer of this.#once.values()) clearTimeout(timer);
    for (const timer of this.#repeating) clearInterval(timer);
    this.#once.clear();
    this.#repeating.clear();
  }
}
