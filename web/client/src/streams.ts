export type { StreamEnd, StreamState } from './lasting.ts'
export { type AuthSocket, openSocket, type SocketData, type SocketOptions } from './socket.ts'
export { type EventStream, type EventStreamOptions, openEventStream, type ServerEvent } from './sse.ts'
