/** One challenge of a WWW-Authenticate field (RFC 9110 §11.6.1). */
export interface Challenge {
  /** As written; schemes compare without case. */
  scheme: string
  /** The token68 form; empty where there are parameters. */
  token68: string
  params: [name: string, value: string][]
}

const token = /[\w!#$%&'*+.^`|~-]+/y
const token68 = /[\w.~+/-]+=*(?=[ \t]*(?:,|$))/y
// A name, and a value that is a token or a quoted string (RFC 9110 §5.6.4).
const parameter =
  /([\w!#$%&'*+.^`|~-]+)[ \t]*=[ \t]*(?:([\w!#$%&'*+.^`|~-]+)|"((?:[^"\\\0-\x08\n-\x1f\x7f]|\\[^\0-\x08\n-\x1f\x7f])*)")[ \t]*(?=,|$)/y
const paramBegins = /^[\w!#$%&'*+.^`|~-]+[ \t]*=/
const commas = /[, \t]*/y

const longest = 16 << 10

/**
 * Reads the value of a WWW-Authenticate field, which may hold several
 * challenges. Of a malformed field it returns what came before the fault.
 */
export function parseChallenges(field: string | null | undefined): Challenge[] {
  const all: Challenge[] = []
  const text = field ?? ''
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const match = pattern.exec(text)
    if (match) at = pattern.lastIndex
    return match
  }
  for (take(commas); at < text.length && text.length <= longest; take(commas)) {
    const challenge: Challenge = { scheme: take(token)?.[0] ?? '', token68: '', params: [] }
    if (!challenge.scheme || !/^(?:[ \t,]|$)/.test(text.slice(at))) break
    if (!/^[ \t]*(?:,|$)/.test(text.slice(at))) {
      take(commas)
      challenge.token68 = take(token68)?.[0] ?? ''
      if (!challenge.token68) {
        // What follows a comma is a parameter, or the scheme of the next challenge.
        for (let match; (match = take(parameter)); take(commas)) {
          const [, name = '', plain, quoted = ''] = match
          if (param(challenge, name) !== undefined) return all
          challenge.params.push([name, plain ?? quoted.replace(/\\(.)/gs, '$1')])
        }
        if (!challenge.params.length || paramBegins.test(text.slice(at))) break
      }
    }
    all.push(challenge)
  }
  return all
}

/** The value of a parameter, by its name without case. */
export function param(challenge: Challenge, name: string): string | undefined {
  return challenge.params.find(([n]) => n.toLowerCase() === name.toLowerCase())?.[1]
}
