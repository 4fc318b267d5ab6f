/** Random numbers that are the same for the same seed. */
export class Dice {
  #state: number

  constructor(seed: string) {
    // FNV-1a: a seed that differs in one letter is another seed.
    let hash = 0x811c9dc5
    for (const letter of seed) hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 0x01000193)
    this.#state = hash >>> 0
  }

  /** A number of [0, 1). */
  roll(): number {
    // Mulberry32.
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  /** True with the given chance. */
  chance(p: number): boolean {
    return this.roll() < p
  }

  /** A number of [least, most). */
  between(least: number, most: number): number {
    return least + this.roll() * (most - least)
  }

  pick<T>(list: readonly [T, ...T[]]): T {
    return list[Math.floor(this.roll() * list.length)] ?? list[0]
  }
}
