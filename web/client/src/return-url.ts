/**
 * Where to go back to after signing in: `value` where it is a path of the own
 * origin, else `fallback`. It never leads elsewhere: whatever a browser or a
 * proxy could take for another host, another scheme or a line break is refused.
 */
export function safeReturnURL(value: string | null | undefined, fallback = '/'): string {
  return value && isOwnPath(value) ? value : fallback
}

// The origin is never seen: a path that stays on it stays on any.
const anywhere = 'https://own.invalid'

function isOwnPath(value: string): boolean {
  // Browsers drop tabs and line breaks anywhere, read \ as /, and a proxy may decode once more.
  if (value.length > 2048 || /[^\x21-\x7e]|\\|%(?:5c|0[0-9a-f]|1[0-9a-f]|7f)/i.test(value)) return false
  if (!/^\/(?!\/|%2f|\.)/i.test(value)) return false
  try {
    const url = new URL(value, anywhere)
    return url.origin === anywhere && url.username === '' && !/^\/(?:\/|%2f)/i.test(url.pathname)
  } catch {
    return false
  }
}

/** The address of the sign-in page, with the way back to `returnTo`. */
export function signInURL(path: string, returnTo: string): string {
  const back = safeReturnURL(returnTo, '')
  return back ? `${path}${path.includes('?') ? '&' : '?'}return=${encodeURIComponent(back)}` : path
}
