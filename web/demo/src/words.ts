import type { AuthEvent, EndReason, SessionEnd } from '@doorward/client'
import type { Journal, Since, Step, Tone } from './journal.ts'

const path = (url: string) => new URL(url, location.href).pathname

export const seconds = (s: number): string =>
  s < 10 ? `${s.toFixed(1)} s` : s < 100 ? `${Math.round(s)} s` : `${Math.round(s / 60)} min`

export const times = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`

export const minutes = (ms: number): string => times(Math.round(ms / 60_000), 'minute')

/** A span as a clock has it: 14:07. */
export function clock(seconds: number): string {
  const s = Math.max(0, Math.ceil(seconds))
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')}`
}

const reasons = {
  restore: 'as the page was opened',
  due: 'before the old one is over',
  expired: 'as the old one is over',
  denied: 'as a call was refused',
  asked: 'on demand',
} as const

const nexts = {
  renew: 'A renewal mends that.',
  again: 'A new token has come meanwhile.',
  wait: 'It waits for the clock.',
  give_up: 'A renewal would not mend that.',
} as const

const ends: Record<EndReason, string> = {
  logout: 'You signed out.',
  logout_all: 'You were signed out on all devices.',
  ended: 'You were signed out from another device.',
  password: 'Your password was changed. Sign in with the new one.',
  suspended: 'An operator had suspended this account. It is open again.',
  deactivated: 'This account had been deactivated. It is open again.',
  token_reused: 'A copy of your sign-in was used elsewhere. The server ended both.',
  idle: 'You were away for too long.',
  age: 'Your sign-in had become too old.',
}

/** Why a session is over, for the person who was signed in. */
export function whyEnded({ code, error }: SessionEnd): string {
  switch (code) {
    case 'SIGNED_OUT':
      return 'You signed out, here or in another tab.'
    case 'REFRESH_TOKEN_REUSED':
      return 'Somebody used a copy of this session’s refresh token. The server ended the session, and with it the copy.'
    case 'ACCOUNT_SUSPENDED':
      return 'An operator has suspended this account.'
    case 'USER_INACTIVE':
      return 'This account is no longer active.'
    case 'REFRESH_TOKEN_MISSING':
      return 'The browser no longer has the session’s cookie.'
  }
  const { ended, endedBy } = error?.problem ?? {}
  if (endedBy === 'operator' && (ended === 'ended' || ended === 'logout_all'))
    return 'An operator signed you out.'
  return (ended && ends[ended]) ?? 'The session was ended elsewhere, or had run out.'
}

/** Writes what Doorward's client tells of itself into a journal. */
export class Scribe {
  readonly #journal: Journal
  /** The calls under way, oldest first, by what they ask for. */
  readonly #calls = new Map<string, number[]>()
  #renewal: number | null = null

  constructor(journal: Journal) {
    this.#journal = journal
  }

  /** Says how a call ended of which the client has no more to tell. */
  over(method: string, url: string, tone: Tone, result: string, text?: string): void {
    const title = `${method} ${path(url)}`
    let id = this.#calls.get(title)?.shift()
    if (id === undefined && !text) return
    id ??= this.#journal.open(title)
    if (text) this.#journal.step(id, tone, text)
    this.#journal.close(id, tone, result)
  }

  write = (event: AuthEvent): void => {
    const journal = this.#journal
    switch (event.type) {
      case 'signed_in':
        return journal.note('Session', 'good', event.elsewhere ? 'Signed in by another tab' : 'Signed in')
      case 'renewing':
        this.#renewal = journal.open('Renewal')
        return journal.step(this.#renewal, 'quiet', `Asks for a new token ${reasons[event.reason]}`)
      case 'renewed': {
        const token = event.elsewhere ? 'Takes the token that another tab got' : 'A new token'
        return this.#renewed(
          'good',
          event.elsewhere ? 'shared' : 'renewed',
          `${token}, good for ${seconds(event.expiresIn)}`,
        )
      }
      case 'renewal_failed': {
        const { error, retryIn } = event
        const from = { code: error.status ? error.code : null, denial: error.denial }
        if (retryIn === null)
          return this.#renewed('warn', 'put off', `${error.message}. The session stays`, from)
        return journal.step(
          this.#renewing(),
          'warn',
          `${error.message}. Asks the same again in ${seconds(retryIn)}`,
          from,
        )
      }
      case 'sending': {
        if (event.send === 2)
          return journal.step(this.#call(event), 'quiet', 'Sent again, with the new token')
        const title = `${event.method} ${path(event.url)}`
        const id = journal.open(title)
        this.#calls.set(title, [...(this.#calls.get(title) ?? []), id])
        return journal.step(id, 'quiet', 'Sent')
      }
      case 'answered': {
        if (event.status === 401 && event.send === 1) return // what is done about it comes next
        const good = event.status < 400
        journal.step(this.#call(event), good ? 'good' : 'bad', good ? 'Answered' : 'Refused')
        return this.over(event.method, event.url, good ? 'good' : 'bad', String(event.status))
      }
      case 'denied': {
        const { error, next } = event
        const tone = next === 'give_up' ? 'bad' : 'warn'
        return journal.step(this.#call(event), tone, `${error.message}. ${nexts[next]}`, {
          code: error.code,
          denial: error.denial,
        })
      }
      case 'ended': {
        const { error } = event.end
        if (this.#renewal !== null) this.#renewed('bad', 'refused', 'Refused')
        return journal.note(
          'Session',
          'bad',
          whyEnded(event.end),
          error ? { code: error.code, denial: error.denial } : {},
        )
      }
    }
  }

  #call(event: { method: string; url: string }): number {
    const title = `${event.method} ${path(event.url)}`
    return this.#calls.get(title)?.[0] ?? this.#journal.open(title)
  }

  #renewing(): number {
    return (this.#renewal ??= this.#journal.open('Renewal'))
  }

  #renewed(tone: Tone, result: string, text: string, from?: Pick<Step, 'code' | 'denial'>): void {
    const id = this.#renewing()
    this.#journal.step(id, tone, text, from)
    this.#journal.close(id, tone, result)
    this.#renewal = null
  }
}

/** What became of a client, and what it did, made of what was counted. */
export interface Verdict {
  /** In two or three words. */
  end: string
  good: boolean
  detail: string
}

/** Tells of a client that was signed in before. */
export function judge(since: Since, signedIn: boolean): Verdict {
  const detail: string[] = []
  if (since.refused) detail.push(`${times(since.refused, 'call')} refused: ${codeOf(since, true)}.`)
  if (since.refreshes) detail.push(renewals(since))
  if (since.answered || since.unanswered) detail.push(answers(since))
  if (signedIn) return { end: 'Still signed in', good: true, detail: detail.join(' ') }
  if (!since.needless) return { end: 'Rightly signed out', good: true, detail: detail.join(' ') }
  detail.push('Threw its tokens away, though the session lives.')
  return { end: 'Signed out for nothing', good: false, detail: detail.join(' ') }
}

/** The last code that was met, of an access token or of a refresh. */
const codeOf = ({ codes }: Since, access: boolean) =>
  codes.findLast((code) => code.startsWith('TOKEN_') === access) ?? 'no code'

function answers({ answered, calls }: Since): string {
  if (answered === calls) return calls === 1 ? 'The call was answered.' : `All ${calls} calls answered.`
  return answered
    ? `${answered} of ${calls} calls answered.`
    : `No answer to ${calls === 1 ? 'the call' : `${calls} calls`}.`
}

function renewals(since: Since): string {
  const { refreshes, unheard, denied, keys } = since
  if (denied)
    return `${refreshes === 1 ? 'Its renewal' : 'The last renewal'} refused: ${codeOf(since, false)}.`
  if (!unheard) return `${capital(count(refreshes))} ${refreshes === 1 ? 'renewal' : 'renewals'}.`
  if (unheard === refreshes)
    return unheard === 1 ? 'No answer to its renewal.' : `Asks for a renewal again and again: no answer yet.`
  const same = keys[0] !== null && keys.every((key) => key === keys[0])
  const lost =
    unheard === 1
      ? 'A renewal went unanswered'
      : `A renewal went unanswered ${unheard === 2 ? 'twice' : `${count(unheard)} times`}`
  return `${lost}; asked again${same ? ' with the same key' : ''}, and renewed.`
}

const count = (n: number) => ['no', 'one', 'two', 'three', 'four', 'five'][n] ?? String(n)
const capital = (text: string) => text[0]!.toUpperCase() + text.slice(1)
