import type { Side } from './sides.ts'

/** What one of the two who hold the same refresh token got for it. */
export interface Turn {
  who: 'thief' | 'owner'
  /** The code of the refusal; null where a new token came. */
  refused: string | null
}

/** After this many turns each, a thief who was not noticed will not be. */
const rounds = 3

/** How long one waits for the other, in milliseconds: so that it can be followed. */
const pace = 500

/**
 * Lets a thief and the owner of a session renew in turns, the thief first,
 * until the server has noticed or the rounds are over. The thief is as good as
 * a thief can be: always ahead, and always within the grace of 30 seconds.
 */
export async function contest(
  side: Side,
  copy: string,
  show: (turns: readonly Turn[]) => void,
): Promise<readonly Turn[]> {
  const turns: Turn[] = []
  const took = async (turn: Turn) => {
    turns.push(turn)
    show([...turns])
    await new Promise((resolve) => setTimeout(resolve, pace))
  }
  let token: string | null = copy
  for (let round = 0; round < rounds && token; round++) {
    const stolen = await refresh(token)
    token = stolen.token
    await took({ who: 'thief', refused: stolen.refused })
    const learn = side.journal.mark()
    if (side.signedIn()) {
      await side.renew()
      await took({ who: 'owner', refused: side.signedIn() ? null : (learn().codes.at(-1) ?? 'no answer') })
    }
  }
  return turns
}

async function refresh(refreshToken: string): Promise<{ token: string | null; refused: string | null }> {
  const response = await fetch('/auth/refresh', {
    method: 'POST',
    credentials: 'omit', // a thief has the token, not the browser
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ refreshToken }),
  })
  const answer = await response.json()
  return response.ok ? { token: answer.refreshToken, refused: null } : { token: null, refused: answer.code }
}
