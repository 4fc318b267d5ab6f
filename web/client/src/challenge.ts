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
const paramName = /([\w!#$%&'*+.^`|~-]+)[ \t]*=[ \t]*/y
const quoted = /"((?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[^\x00-\x08\x0a-\x1f\x7f])*)"/y
const spaces = /[ \t]*/y
const commas = /[, \t]*/y

const longest = 16 << 10

/**
 * Reads the value of a WWW-Authenticate field, which may hold several
 * challenges. Of a malformed field it returns what came before the fault.
 */
export function parseChallenges(field: string | null | undefined): Challenge[] {
  const all: Challenge[] = []
  const text = field ?? ''
  if (text.length > longest) return all
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const match = pattern.exec(text)
    if (match) at = pattern.lastIndex
    return match
  }
  const ends = () => at >= text.length || text[at] === ','

  for (take(commas); at < text.length; take(commas)) {
    const scheme = take(token)?.[0]
    if (!scheme || (!ends() && !/[ \t]/.test(text[at]!))) return all
    const challenge: Challenge = { scheme, token68: '', params: [] }
    take(spaces)
    if (!ends()) {
      const value = take(token68)?.[0]
      if (value) challenge.token68 = value
      else {
        // What follows a comma is a parameter, or the scheme of the next challenge.
        for (let name = take(paramName)?.[1]; ; name = take(paramName)?.[1]) {
          if (!name) {
            if (challenge.params.length) break
            return all
          }
          const string = take(quoted)
          const value = string ? string[1]!.replace(/\\(.)/gs, '$1') : take(token)?.[0]
          if (value === undefined || param(challenge, name) !== undefined) return all
          challenge.params.push([name, value])
          take(spaces)
          if (!ends()) return all
          take(commas)
        }
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
