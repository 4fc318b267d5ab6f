package verify

import (
	"slices"
	"strings"

	"github.com/doorward/doorward/internal/strictjson"
)

// header is the header of a token (RFC 7515 §4), not believed by anybody.
type header struct {
	alg, typ strictjson.Value
	kid      string           // empty where it is missing or not a string
	object   strictjson.Value // all of it
}

// readHeader reads a header and refuses what no token of this profile has. The
// header is returned beside a failure as well, as far as it was read.
func readHeader(text []byte) (header, *Failure) {
	var h header
	object, err := strictjson.ParseObject(text)
	if err != nil {
		return h, fail(CheckHeader, "the header is not a sound JSON object: %s", jsonFault(err))
	}
	h.object = object
	var own, critical string
	for i := range object.Members {
		m := &object.Members[i]
		switch m.Name {
		case "alg":
			h.alg = m.Value
		case "typ":
			h.typ = m.Value
		case "kid":
			if m.Value.Kind == strictjson.String {
				h.kid = m.Value.Text
			}
		case "jwk", "jku", "x5c", "x5u":
			own = m.Name
		case "crit", "b64":
			critical = m.Name
		}
	}
	switch {
	case own != "":
		// RFC 8725 §3.10: a token that brings the key it is checked with proves
		// nothing.
		return h, fail(CheckHeader, "the header has %s: a token cannot bring its own key", own)
	case critical != "":
		// RFC 7515 §4.1.11: who does not understand a critical extension must
		// refuse, and none is understood here; b64 is one (RFC 7797 §6).
		return h, fail(CheckCrit, "the header has %s: no critical extension is supported", critical)
	}
	return h, nil
}

func (h *header) needKeyID() *Failure {
	if h.kid != "" {
		return nil
	}
	return fail(CheckKid, "kid is %s: a token must name its key", describe(h.object.Get("kid")))
}

// key returns the key to check the signature with.
func (h *header) key(keys KeySet, rules Rules) (*Key, *Failure) {
	var key *Key
	if i, ok := keys.index[h.kid]; ok {
		key = &keys.keys[i]
	}
	if f := h.needAlgorithm(key, rules); f != nil {
		return nil, f
	}
	if key != nil {
		return key, nil
	}
	if f := h.needKeyID(); f != nil {
		return nil, f
	}
	known := make([]string, keys.Len())
	for i := range known {
		known[i] = keys.keys[i].ID
	}
	return nil, fail(CheckKid, "kid %s is not in the key set (known: %s)", quote(h.kid), quoteAll(known))
}

// needAlgorithm checks alg against the rules and against the key, where there
// is one (RFC 8725 §3.1).
func (h *header) needAlgorithm(key *Key, rules Rules) *Failure {
	if h.alg.Kind != strictjson.String {
		return fail(CheckAlg, "alg is %s", describe(h.alg))
	}
	alg := Algorithm(h.alg.Text)
	allowed := slices.Contains(rules.Algorithms, alg)
	if allowed && (key == nil || key.Algorithm == alg) {
		return nil
	}
	var names []string
	for _, a := range rules.Algorithms {
		names = append(names, string(a))
	}
	expected := strings.Join(names, ", ")
	f := fail(CheckAlg, "the header names %s; allowed: %s", quote(h.alg.Text), expected)
	if key != nil && key.Algorithm != alg {
		expected = string(key.Algorithm)
		f = fail(CheckAlg, "the header names %s; key %s is for %s", quote(h.alg.Text), quote(key.ID), expected)
	}
	f.Expected, f.Got = expected, cut(h.alg.Text)
	return f
}

// accessTokenType is the typ of access tokens (RFC 9068 §2.1).
const accessTokenType = "at+jwt"

// needType checks that the token is an access token: an issuer signs ID tokens
// and others with the same keys (RFC 8725 §3.11).
func (h *header) needType() *Failure {
	// RFC 7515 §4.1.9: media types compare without case, and application/ may
	// be left out.
	if h.typ.Kind == strictjson.String &&
		(strings.EqualFold(h.typ.Text, accessTokenType) || strings.EqualFold(h.typ.Text, "application/"+accessTokenType)) {
		return nil
	}
	f := fail(CheckTyp, "typ is %s, expected %q: this is no access token, or its issuer does not follow RFC 9068", describe(h.typ), accessTokenType)
	f.Expected, f.Got = accessTokenType, cut(textOf(h.typ))
	return f
}
