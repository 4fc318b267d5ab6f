import { createHash } from 'node:crypto'

/** What a refresh token says to who can read it: the judge reads what no client may rely on. */
export interface RefreshToken {
  session: string
  generation: number
  /** Tells the tokens of one generation apart. */
  nonce: string
}

/** Reads a refresh token: version, session, generation, nonce, MAC. */
export function readRefreshToken(text: string | undefined): RefreshToken | null {
  if (!text?.startsWith('dwr_')) return null
  const raw = Buffer.from(text.slice(4), 'base64url')
  if (raw.length !== 69) return null
  return {
    session: raw.toString('hex', 1, 17),
    generation: raw.readUInt32BE(17),
    nonce: raw.toString('hex', 21, 25),
  }
}

export interface AccessToken {
  /** When it expires, in milliseconds since 1970. */
  expires: number
  /** Names the token; it is no secret. */
  id: string
}

/** Reads the access token of an Authorization header. It verifies nothing. */
export function readAccessToken(authorization: string | undefined): AccessToken | null {
  const payload = /^Bearer [^.]+\.([^.]+)\./.exec(authorization ?? '')?.[1]
  if (!payload) return null
  try {
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { exp: number; jti: string }
    return { expires: claims.exp * 1000, id: claims.jti.slice(-8) }
  } catch {
    return null
  }
}

/** Names a secret without telling it. */
export const fingerprint = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 8)
