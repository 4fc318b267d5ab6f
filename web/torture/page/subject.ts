/** How a call ended for whoever made it. */
export interface Answered {
  status: number
  text(): Promise<string>
}

/** One request of the application's. */
export interface Call {
  path: string
  method: string
  body: string | null
  /** How the body is given: as text, in a Request, or as a stream. */
  as: 'text' | 'request' | 'stream'
  headers: Record<string, string>
}

/** A client as the torture page uses it: ours, or one to compare it with. */
export interface Subject {
  /** Whether somebody is signed in, once that is known. */
  start(): Promise<boolean>
  login(email: string, password: string): Promise<void>
  logout(): Promise<void>
  call(call: Call): Promise<Answered>
}

/** What a subject is told at its making. */
export interface Setting {
  transport: 'cookie' | 'bearer'
  /** To be called with the code when a session ends. */
  ended(code: string): void
  /** To be called with each step worth a line in the report of a fault. */
  step(text: string): void
  /** Whether this is the sign-in page. */
  signInPage: boolean
}
