// Package doorward is the vocabulary that the server, the guard and the client
// share: who a request speaks for ([Principal]), why a request was refused
// ([Denial], [Code]) and how that is said on the wire ([Challenge], RFC 9110
// §11.6.1; problem details, RFC 9457).
//
// It imports the standard library and nothing else. To protect a handler, see
// package guard; to embed the whole server, see package server.
package doorward
