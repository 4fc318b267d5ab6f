package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/strictjson"
)

// Check names one check of a token.
type Check string

// The checks, in the order they are made.
const (
	CheckSetup     Check = "setup"     // the rules are complete and there are keys
	CheckSize      Check = "size"      // at most MaxSize bytes
	CheckForm      Check = "form"      // three parts (RFC 7515 §7.1)
	CheckAlphabet  Check = "alphabet"  // base64url and nothing else (RFC 7515 §2)
	CheckHeader    Check = "header"    // a JSON object that brings no key of its own
	CheckCrit      Check = "crit"      // no critical extensions (RFC 7515 §4.1.11, RFC 7797)
	CheckAlg       Check = "alg"       // the rules' algorithms, and the key's own
	CheckKid       Check = "kid"       // names a key of the set
	CheckSignature Check = "signature" // genuine; only now is anything believed
	CheckPayload   Check = "payload"   // a JSON object
	CheckTyp       Check = "typ"       // an access token (RFC 9068 §4)
	CheckClaims    Check = "claims"    // there, and of the right type
	CheckIssuer    Check = "issuer"    // the rules' own
	CheckAudience  Check = "audience"  // one of the rules' own
	CheckNbf       Check = "nbf"       // not before it
	CheckIat       Check = "iat"       // not before it
	CheckExp       Check = "exp"       // before it
)

// Checks returns all checks in the order they are made; the first that fails
// is the one reported.
func Checks() []Check {
	return []Check{
		CheckSetup, CheckSize, CheckForm, CheckAlphabet, CheckHeader, CheckCrit, CheckAlg, CheckKid, CheckSignature,
		CheckPayload, CheckTyp, CheckClaims, CheckIssuer, CheckAudience, CheckNbf, CheckIat, CheckExp,
	}
}

// code returns the public side of a failed check.
func (c Check) code() doorward.Code {
	switch c {
	case CheckSetup:
		return doorward.Unavailable // nothing is known about the token
	case CheckTyp, CheckClaims, CheckIssuer, CheckAudience:
		return doorward.ValidationFailed
	case CheckNbf, CheckIat:
		return doorward.TokenNotActive
	case CheckExp:
		return doorward.TokenExpired
	default:
		return doorward.TokenInvalid
	}
}

// next returns what an operator does about a failed check.
func (c Check) next() string {
	switch c {
	case CheckSetup:
		return "Give the verifier its issuer, audience and algorithms, and see that it can fetch the issuer's key set."
	case CheckSize, CheckForm, CheckAlphabet, CheckHeader, CheckCrit, CheckPayload:
		return "Have the client send the access token exactly as the issuer gave it."
	case CheckAlg:
		return "Have the issuer sign with an algorithm that the verifier was given."
	case CheckKid:
		return "See that the token comes from this issuer, and that the key set is current."
	case CheckSignature:
		return "See that the token was not altered on its way, and that it comes from this issuer."
	case CheckTyp, CheckClaims:
		return "Have the client send the access token, not an ID token, and the issuer follow RFC 9068."
	case CheckIssuer, CheckAudience:
		return "Make the issuer's and the verifier's configuration agree, byte for byte."
	case CheckNbf, CheckIat:
		return "Set the clocks of the issuer and the verifier."
	case CheckExp:
		return "Have the client renew its access token; if the token is fresh, set the verifier's clock."
	default:
		return ""
	}
}

// Failure is why a token was refused. Only Code may be told to the caller; the
// rest is for the operator. It never holds a token, and its Error tells no more
// than the code and the check.
//
// Before the signature was checked, what a Failure repeats of a token is what a
// stranger wrote: it is cut to 200 bytes and, within Text, quoted.
type Failure struct {
	Code  doorward.Code
	Check Check
	Text  string // what happened, as a sentence

	Claim    string // the claim at fault, for CheckClaims
	Expected string // for CheckAlg, CheckTyp, CheckIssuer and CheckAudience; lists are separated by ", "
	Got      string // likewise; cut to 200 bytes, and not fit to print unquoted

	By time.Duration // by how much a time was missed, leeway not deducted

	Token   doorward.TokenRef
	Subject string // `sub` of a genuine token
	Session string // `sid` of a genuine token
}

// Error returns the code and the check that failed.
func (f *Failure) Error() string {
	return "verify: " + string(f.Code) + " (" + string(f.Check) + ")"
}

// Reason returns the private side of a denial.
func (f *Failure) Reason() doorward.Reason {
	return doorward.Reason{
		Check: string(f.Check), Text: f.Text, Next: f.Check.next(),
		Token: f.Token, User: f.Subject, Session: f.Session, By: f.By,
	}
}

func fail(check Check, format string, args ...any) *Failure {
	return &Failure{Code: check.code(), Check: check, Text: fmt.Sprintf(format, args...)}
}

// ofStranger names a token that nothing vouches for.
func (f *Failure) ofStranger(token, kid string) *Failure {
	f.Token = doorward.TokenRef{Key: cut(kid), Fingerprint: Fingerprint(token)}
	return f
}

// of names a token that was found genuine, and whose it is.
func (f *Failure) of(c *Claims) *Failure {
	f.Token, f.Subject, f.Session = c.Ref(), cut(c.Subject), cut(c.Session)
	return f
}

// maxQuoted is how much of a text from a token is repeated, in bytes.
const maxQuoted = 200

func cut(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	return strings.ToValidUTF8(s[:maxQuoted], "") // a character may be cut in two
}

// quote makes a text from outside fit for a sentence.
func quote(s string) string {
	if len(s) > maxQuoted {
		return fmt.Sprintf("%q… (%d bytes)", cut(s), len(s))
	}
	return strconv.Quote(s)
}

func quoteAll(list []string) string {
	const most = 8
	var b strings.Builder
	for i, s := range list {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(list)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quote(s))
	}
	return b.String()
}

// describe returns a string quoted, and of any other value its type.
func describe(v strictjson.Value) string {
	switch v.Kind {
	case strictjson.Absent:
		return "missing"
	case strictjson.String:
		return quote(v.Text)
	default:
		return v.Kind.String()
	}
}

// span makes a long time readable.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 2*day {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.Round(time.Second).String()
}

// jsonFault tells what strictjson found, with what it repeats of the text cut
// short.
func jsonFault(err error) string {
	var fault *strictjson.Error
	if errors.As(err, &fault) && fault.Member != "" {
		return "member " + quote(fault.Member) + " " + fault.Reason
	}
	return err.Error()
}

// Fingerprint names a token in logs without revealing it: the first 8 hex
// digits of its SHA-256.
func Fingerprint(token string) string { return fingerprint([]byte(token)) }

func fingerprint(token []byte) string {
	sum := sha256.Sum256(token)
	return hex.EncodeToString(sum[:4])
}
