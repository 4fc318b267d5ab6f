// Package verify checks one access token (RFC 9068) against given keys at a
// given time. It has no network and no clock: fetching keys and following
// revocations is the business of package guard.
//
// [Token] takes one profile of JWS (RFC 7515) and refuses everything else: the
// compact form, at most [MaxSize] bytes, one of three algorithms, a key chosen
// by its kid alone, and the claims iss, aud, exp, iat, nbf, sub and jti. A key
// serves one algorithm, whatever a header says, and no option turns a check
// off. What was refused and why is a [*Failure].
//
// What is not checked: whether the session has ended, whether a scope is
// enough, and whether a token that is bound to its sender (cnf) came from that
// sender.
//
// # One token, several spellings
//
// An ES256 signature (r, s) has a twin, (r, n-s), that anybody can work out and
// that is as genuine: RFC 7518 §3.4 does not demand the lower s, and refusing
// the higher one would refuse half the tokens of other signers. Header, payload
// and so the claims are the same bytes in both. Therefore a list of tokens to
// refuse, or a count per token, is keyed by Claims.TokenID or Claims.Session
// and never by the token's text; a cache of accepted tokens may be keyed by the
// text or its hash, where a twin costs one more check and nothing else.
package verify
