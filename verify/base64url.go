package verify

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// strict refuses padding and trailing bits that are not zero: without that one
// token would have many spellings.
var strict = base64.RawURLEncoding.Strict()

func decodedSize(s string) int { return strict.DecodedLen(len(s)) }

// decode fills dst, which has decodedSize bytes, from s, which must be base64url
// as RFC 7515 §2 has it, and reports whether it is.
func decode(dst []byte, s string) ([]byte, bool) {
	// encoding/base64 skips line breaks.
	if strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, '\r') >= 0 {
		return nil, false
	}
	n, err := strict.Decode(dst, []byte(s))
	return dst[:n], err == nil
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// alphabetFault tells why decode refused s.
func alphabetFault(s string) string {
	i := strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune(alphabet, r) })
	if i < 0 {
		return "its last character cannot be the last of a whole text: it was cut short or altered"
	}
	kind := fmt.Sprintf("0x%02X", s[i])
	switch s[i] {
	case '=':
		kind = "padding (=), which a JWS leaves out"
	case '+', '/':
		kind = "a character of standard base64, not of base64url"
	case '%':
		kind = "percent-encoding"
	case ' ', '\t', '\r', '\n':
		kind = "white space"
	case '"', '\'':
		kind = "a quote"
	}
	return fmt.Sprintf("at byte %d there is %s", i+1, kind)
}
