'use client'

export { AuthProvider, type AuthProviderProps } from './AuthProvider.tsx'
export { RequireAuth, type RequireAuthProps } from './RequireAuth.tsx'
export { useApi, type Api, type ApiState, type UseApiOptions } from './useApi.ts'
export { useAuth, type Auth, type AuthActions, type AuthState } from './useAuth.ts'
