export { createAuthClient } from './client.ts'
export {
  AuthError,
  errorFrom,
  isAuthError,
  type AuthErrorInit,
  type EndReason,
  type Problem,
} from './errors.ts'
export { codes, type Code, type Recovery } from './codes.ts'
export { safeReturnURL } from './return-url.ts'
export { TokenManager } from './token-manager.ts'
export type {
  AuthClient,
  AuthClientOptions,
  AuthEvent,
  AuthSnapshot,
  AuthStatus,
  Credentials,
  InitialSession,
  Mend,
  RenewReason,
  Sending,
  SessionEnd,
  TokenStorage,
  User,
} from './types.ts'
