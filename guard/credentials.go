package guard

import (
	"net/http"
	"strings"

	"github.com/doorward/doorward"
)

// bearer returns the access token of a request (RFC 6750 §2.1; [SocketProtocol]
// for a WebSocket). It is not known
// to be more than some text. The error is a *refusal or a *doorward.Denial.
func bearer(r *http.Request) (string, error) {
	fields := r.Header["Authorization"]
	if len(fields) == 0 {
		if token := socketToken(r); token != "" {
			return token, nil
		}
	}
	inQuery := hasToken(r.URL.RawQuery)
	switch {
	case len(fields) == 0 && inQuery:
		return "", missing("there is no Authorization field; the access_token in the query is not read, because URLs end up in logs and histories",
			"Have the client send the token in the Authorization field: \"Authorization: Bearer …\".")
	case len(fields) == 0:
		return "", missing("there is no Authorization field",
			"If the client sends one, look for what takes it away: a redirect to another host, or a proxy.")
	case len(fields) > 1:
		return "", twoCredentials("The request has several Authorization fields; send one")
	case inQuery:
		return "", twoCredentials("The request has an access token in its query beside the Authorization field; send one")
	}
	// RFC 9110 §11.4: the scheme, in any case, and 1*SP.
	scheme, token, spaced := strings.Cut(fields[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || !spaced {
		return "", notBearer(fields[0])
	}
	if token = strings.TrimLeft(token, " "); token == "" {
		return "", emptyBearer()
	}
	if twoInOne(token) {
		return "", twoCredentials("The Authorization field has several credentials; send one")
	}
	return token, nil
}

// hasToken reports whether a query has the parameter of RFC 6750 §2.3.
func hasToken(query string) bool {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if name, _, _ := strings.Cut(pair, "="); name == "access_token" {
			return true
		}
	}
	return false
}

// twoInOne reports whether something joined two fields into one. No token has
// a comma.
func twoInOne(token string) bool {
	_, rest, ok := strings.Cut(token, ",")
	return ok && hasPrefixFold(strings.TrimLeft(rest, " \t"), "Bearer ")
}

// twoCredentials obeys RFC 6750 §2: clients must not use more than one way to
// send a token, and §3.1: who does gets invalid_request.
func twoCredentials(detail string) error {
	return doorward.BadInput(doorward.InvalidRequest, "Authorization", detail)
}

func missing(text, next string) error {
	return &refusal{doorward.TokenMissing, doorward.Reason{Check: "credentials", Text: text, Next: next}}
}

const emptyNext = "See why the client has no token when it sends the request: it may not have signed in yet, or look for the token in the wrong place."

func emptyBearer() error {
	return missing("the Authorization field has the scheme Bearer and nothing behind it", emptyNext)
}

// sendBearer is the next step for most of what is sent in place of a token.
const sendBearer = "Have the client send \"Authorization: Bearer \" and the access token exactly as the issuer gave it."

// schemes are those that may be named: what stands before the space may be
// part of a secret (RFC 9110 §16.4.1 and what is common beside it).
var schemes = []string{
	"Basic", "Digest", "DPoP", "GNAP", "HOBA", "Mutual", "Negotiate", "OAuth", "PrivateToken", "SCRAM-SHA-1", "SCRAM-SHA-256", "vapid",
	"ApiKey", "Api-Key", "AWS4-HMAC-SHA256", "Hawk", "JWT", "Key", "NTLM", "Signature", "SharedKey", "Token",
}

// notBearer says what is in an Authorization field in place of a bearer token.
// It may be a secret of any kind, so nothing of it is repeated but the name of
// a known scheme.
func notBearer(field string) error {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(field), " ")
	if scheme == "" {
		return missing("the Authorization field is empty", emptyNext)
	}
	if strings.EqualFold(scheme, "Bearer") && rest == "" {
		return emptyBearer()
	}
	text := "the scheme is not Bearer, and none that is known here"
	name, known := knownScheme(scheme)
	switch {
	case known:
		text = "the scheme is " + name + ", not Bearer"
	case hasPrefixFold(scheme, "Bearer"):
		text = "the scheme Bearer is not followed by a space"
	case hasPrefixFold(scheme, "Authorization"):
		text = "the name of the field is repeated in its value"
	case rest == "":
		text = "the scheme is missing: " + bare(scheme)
	}
	return &refusal{doorward.TokenInvalid, doorward.Reason{Check: "scheme", Text: text, Next: sendBearer}}
}

func knownScheme(scheme string) (string, bool) {
	for _, name := range schemes {
		if strings.EqualFold(scheme, name) {
			return name, true
		}
	}
	return "", false
}

// bare says what a field without a scheme holds.
func bare(field string) string {
	if m, ok := mistakenFor(field); ok {
		return m.text
	}
	if strings.Count(field, ".") == 2 {
		return "the field holds a bare token"
	}
	return "the field holds one word"
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
