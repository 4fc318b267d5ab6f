/**
 * Where to go back to after signing in: `value` where it is a path of the own
 * origin, else `fallback`. It never leads elsewhere: whatever a browser or a
 * proxy could take for another host, another scheme or a line break is refused.
 */
export function safeReturnURL(value: string | null | undefined, fallback = '/'): string {
  return value && isOwnPath(value) ? value : fallback
}

function isOwnPath(value: string): boolean {
  // Browsers drop tabs and line breaks wherever they are, and read \ as /.
  if (value.length > 2048 || value[0] !== '/' || /[^!-~]|\\|%(?:[01]|7f|5c)/i.test(value)) return false
  // Two slashes name a host, or do once dots are resolved or a proxy has decoded the path.
  return !/\/(?:[/.]|%2e)|%2[f5]/i.test(value.split(/[?#]/)[0]!)
}

/** The address of the sign-in page, with the way back to `returnTo`. */
export function signInURL(path: string, returnTo: string): string {
  const back = safeReturnURL(returnTo, '')
  return back ? `${path}?return=${encodeURIComponent(back)}` : path
}
