import { useEffect, type ReactNode } from 'react'
import { useShared } from './context.ts'

export interface RequireAuthProps {
  /** Rendered only while somebody is signed in. */
  children?: ReactNode
  /** Shown while it is not known whether somebody is, and on the way to the sign-in page. Default: nothing. */
  fallback?: ReactNode
  /** Shown in place while nobody is signed in. Default: goes to the sign-in page, with the way back. */
  signIn?: ReactNode
}

/**
 * Shows its children to those who are signed in. It keeps a screen tidy, and
 * guards nothing: that is for the API to do.
 */
export function RequireAuth({ children, fallback, signIn }: RequireAuthProps): ReactNode {
  const { leave, snapshot } = useShared('RequireAuth')
  const signedOut = snapshot.status === 'signed_out'
  const leaves = signedOut && signIn === undefined

  useEffect(() => {
    if (leaves) leave()
  }, [leave, leaves])

  if (snapshot.status === 'signed_in') return children
  return signedOut && !leaves ? signIn : fallback
}
