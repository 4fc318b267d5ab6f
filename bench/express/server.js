// The server of the usual guide to a 401, written as well as it can be: Express,
// jsonwebtoken, bcrypt, everything in memory. The bench starts it beside
// Doorward; docs/performance.md says what it leaves out.
//
//   node server.js ACCOUNTS PASSWORD
//
// makes person.0@example.com and so on, all with one password, and prints where
// it listens.
import { createSecretKey, randomBytes, randomUUID } from 'node:crypto'
import bcrypt from 'bcrypt'
import express from 'express'
import jwt from 'jsonwebtoken'

const [accounts, password] = process.argv.slice(2)

// A KeyObject: jsonwebtoken would make one of a string anew for every token.
const accessKey = createSecretKey(randomBytes(32))
const refreshKey = createSecretKey(randomBytes(32))
const algorithm = 'HS256'
const accessLife = 15 * 60 // seconds, as the others are
const refreshLife = 7 * 24 * 60 * 60
const verifying = { algorithms: [algorithm] }

const byEmail = new Map()
const byId = new Map()
const hash = bcrypt.hashSync(password, 10) // one for all: they are compared with one password only
for (let i = 0; i < Number(accounts); i++) {
  const user = { id: i + 1, email: `person.${i}@example.com`, name: `Person ${i}`, password: hash, active: true }
  byEmail.set(user.email, user)
  byId.set(user.id, user)
}

// The refresh tokens that are good, each for one use, with their owner. What
// nobody uses is never taken out.
const refreshTokens = new Map()

function issue(user) {
  const claims = { userId: user.id, email: user.email }
  const jti = randomUUID()
  refreshTokens.set(jti, user.id)
  return {
    accessToken: jwt.sign(claims, accessKey, { algorithm, expiresIn: accessLife }),
    refreshToken: jwt.sign({ ...claims, jti }, refreshKey, { algorithm, expiresIn: refreshLife }),
    user: { id: user.id, email: user.email, name: user.name },
  }
}

const refuse = (res, status, code, message) =>
  res.status(status).json({ error: status === 401 ? 'Unauthorized' : 'Forbidden', message, code })

// Without a callback: with one, jsonwebtoken does the same work on the same
// thread, later.
function verified(token, key) {
  try {
    return jwt.verify(token, key, verifying)
  } catch (err) {
    return err
  }
}

function authenticate(req, res, next) {
  const [scheme, token] = (req.headers.authorization ?? '').split(' ')
  if (scheme !== 'Bearer' || !token) return refuse(res, 401, 'TOKEN_MISSING', 'Access token required')
  const claims = verified(token, accessKey)
  if (claims instanceof jwt.TokenExpiredError) return refuse(res, 401, 'TOKEN_EXPIRED', 'Token has expired')
  if (claims instanceof jwt.NotBeforeError) return refuse(res, 401, 'TOKEN_NOT_ACTIVE', 'Token not active yet')
  if (claims instanceof Error) return refuse(res, 401, 'TOKEN_INVALID', 'Invalid token')
  req.user = claims
  next()
}

const app = express()
app.disable('x-powered-by')
app.disable('etag') // a hash of every body, for answers that nobody may keep
const json = express.json({ limit: '64kb' }) // only where a body is expected

app.post('/auth/login', json, async (req, res) => {
  const { email, password } = req.body
  const user = byEmail.get(email)
  if (!user?.active || !(await bcrypt.compare(password, user.password))) {
    return refuse(res, 401, 'INVALID_CREDENTIALS', 'Invalid credentials')
  }
  res.json(issue(user))
})

app.post('/auth/refresh', json, (req, res) => {
  const { refreshToken } = req.body
  if (!refreshToken) return refuse(res, 401, 'REFRESH_TOKEN_MISSING', 'Refresh token required')
  const claims = verified(refreshToken, refreshKey)
  if (claims instanceof Error || !refreshTokens.delete(claims.jti)) {
    return refuse(res, 403, 'INVALID_REFRESH_TOKEN', 'Invalid refresh token')
  }
  const user = byId.get(claims.userId)
  if (!user?.active) return refuse(res, 403, 'USER_INACTIVE', 'User account not active')
  res.json(issue(user))
})

app.get('/guarded', authenticate, (_req, res) => {
  res.json({ message: 'Access granted' })
})

const server = app.listen(0, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`)
})
server.keepAliveTimeout = 120_000 // as long as Doorward's
process.on('SIGTERM', () => process.exit(0))
