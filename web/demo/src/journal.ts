import { Store } from './store.ts'
import { now } from './world.ts'

export type Tone = 'quiet' | 'good' | 'warn' | 'bad'

/** One thing that a client did or met. */
export interface Step {
  /** Real time, in milliseconds. */
  at: number
  tone: Tone
  text: string
  code?: string | null | undefined
  /** The id that `doorward why` tells the story of. */
  denial?: string | null | undefined
}

/** Steps that belong together: those of one call, or of one renewal. */
export interface Entry {
  id: number
  at: number
  title: string
  /** How it ended, in a word; empty while it goes on. */
  result: string
  tone: Tone
  steps: Step[]
  /** How many entries like this one it stands for. */
  count: number
}

/**
 * What is counted. Of calls: how many were answered, and how many found no
 * server; refused are single sends, whether that was mended or not. Of
 * refreshes: how many got no answer, and how many a denial. Needless is an end
 * of a session that the server knows nothing of.
 */
export const zero = {
  calls: 0,
  answered: 0,
  unanswered: 0,
  refused: 0,
  refreshes: 0,
  unheard: 0,
  denied: 0,
  needless: 0,
}

export type Tally = typeof zero

/** How many entries are kept. */
const longest = 60

/** What one client did, the latest first, and how often. */
export class Journal {
  readonly entries = new Store<readonly Entry[]>([])
  readonly tally = new Store<Tally>(zero)
  /** The codes of all refusals, and the keys of all refreshes. */
  readonly #codes: string[] = []
  readonly #keys: (string | null)[] = []
  #next = 0

  count(what: keyof Tally): void {
    const tally = this.tally.get()
    this.tally.set({ ...tally, [what]: tally[what] + 1 })
  }

  met(code: string | null): void {
    if (code) this.#codes.push(code)
  }

  used(key: string | null): void {
    this.#keys.push(key)
  }

  /** Returns what to call later to learn what happened since. */
  mark(): () => Since {
    const before = this.tally.get()
    const codes = this.#codes.length
    const keys = this.#keys.length
    return () => {
      const after = this.tally.get()
      const names = Object.keys(zero) as (keyof Tally)[]
      const grown = Object.fromEntries(names.map((name) => [name, after[name] - before[name]])) as Tally
      return { ...grown, codes: this.#codes.slice(codes), keys: this.#keys.slice(keys) }
    }
  }

  /** Begins an entry and returns its id. */
  open(title: string): number {
    const id = this.#next++
    const entry: Entry = { id, at: now(), title, result: '', tone: 'quiet', steps: [], count: 1 }
    this.entries.set([entry, ...this.entries.get()].slice(0, longest))
    return id
  }

  step(id: number, tone: Tone, text: string, more: Pick<Step, 'code' | 'denial'> = {}): void {
    this.#change(id, (entry) => ({ ...entry, steps: [...entry.steps, { at: now(), tone, text, ...more }] }))
  }

  close(id: number, tone: Tone, result: string): void {
    this.#change(id, (entry) => ({ ...entry, tone, result }))
    this.#fold()
  }

  /** An entry of a single step. */
  note(title: string, tone: Tone, text: string, more?: Pick<Step, 'code' | 'denial'>): void {
    const id = this.open(title)
    this.step(id, tone, text, more)
  }

  clear(): void {
    this.entries.set([])
    this.tally.set(zero)
  }

  #change(id: number, change: (entry: Entry) => Entry): void {
    this.entries.set(this.entries.get().map((entry) => (entry.id === id ? change(entry) : entry)))
  }

  /** Calls in a row of which there is nothing to say become one line. */
  #fold(): void {
    const [last, before, ...rest] = this.entries.get()
    if (!last || !before || !dull(last) || !dull(before) || last.title !== before.title) return
    this.entries.set([{ ...last, count: before.count + 1 }, ...rest])
  }
}

/** What happened since a mark. */
export type Since = Tally & { codes: readonly string[]; keys: readonly (string | null)[] }

const dull = (entry: Entry) => entry.result === '200' && entry.steps.length <= 2
