package doorward

import (
	"errors"
	"strings"
)

// Challenge is one challenge of a WWW-Authenticate field (RFC 9110 §11.6.1):
// a scheme with either parameters or one token68.
type Challenge struct {
	Scheme  string  // as written; schemes compare without case
	Token68 string  // the token68 form; empty where there are parameters
	Params  []Param // in order
}

// Param is one auth-param. Names compare without case.
type Param struct{ Name, Value string }

// Param returns the value of the parameter name, and whether it is there.
func (c Challenge) Param(name string) (string, bool) {
	for _, p := range c.Params {
		if strings.EqualFold(p.Name, name) {
			return p.Value, true
		}
	}
	return "", false
}

// String writes the challenge as a field value. Values are always quoted
// strings, which RFC 9110 §11.2 has every recipient accept.
func (c Challenge) String() string {
	var b strings.Builder
	b.WriteString(c.Scheme)
	if c.Token68 != "" {
		b.WriteByte(' ')
		b.WriteString(c.Token68)
		return b.String()
	}
	for i, p := range c.Params {
		if i == 0 {
			b.WriteByte(' ')
		} else {
			b.WriteString(", ")
		}
		b.WriteString(p.Name)
		b.WriteString(`="`)
		for j := range len(p.Value) {
			switch v := p.Value[j]; {
			case v == '"' || v == '\\':
				b.WriteByte('\\')
				b.WriteByte(v)
			case isControl(v):
				b.WriteByte(' ') // a control character would end the field
			default:
				b.WriteByte(v)
			}
		}
		b.WriteByte('"')
	}
	return b.String()
}

// ErrChallenge reports a WWW-Authenticate field that does not follow RFC 9110.
var ErrChallenge = errors.New("doorward: malformed WWW-Authenticate field")

// maxChallengeField bounds what ParseChallenges reads of one field.
const maxChallengeField = 16 << 10

// ParseChallenges reads the values of all WWW-Authenticate fields of an
// answer, in order. One field may hold several challenges (RFC 9110 §11.6.1).
// On an error it returns the challenges read until then as well: a client can
// often go on with those.
func ParseChallenges(fields []string) ([]Challenge, error) {
	var all []Challenge
	for _, field := range fields {
		if len(field) > maxChallengeField {
			return all, ErrChallenge
		}
		p := challengeParser{s: field}
		for p.skipCommas(); !p.end(); p.skipCommas() {
			c, err := p.challenge()
			if err != nil {
				return all, err
			}
			all = append(all, c)
		}
	}
	return all, nil
}

type challengeParser struct {
	s string
	i int
}

func (p *challengeParser) end() bool { return p.i >= len(p.s) }

func (p *challengeParser) skipSpace() {
	for !p.end() && (p.s[p.i] == ' ' || p.s[p.i] == '\t') {
		p.i++
	}
}

// skipCommas skips the empty elements that RFC 9110 §5.6.1.2 allows.
func (p *challengeParser) skipCommas() {
	for !p.end() && (p.s[p.i] == ',' || p.s[p.i] == ' ' || p.s[p.i] == '\t') {
		p.i++
	}
}

func (p *challengeParser) token() string {
	start := p.i
	for !p.end() && isTokenChar(p.s[p.i]) {
		p.i++
	}
	return p.s[start:p.i]
}

func (p *challengeParser) challenge() (Challenge, error) {
	c := Challenge{Scheme: p.token()}
	if c.Scheme == "" || !p.end() && !strings.ContainsRune(" \t,", rune(p.s[p.i])) {
		return Challenge{}, ErrChallenge
	}
	p.skipSpace()
	if p.end() || p.s[p.i] == ',' {
		return c, nil
	}
	if t, ok := p.token68(); ok {
		c.Token68 = t
		return c, nil
	}
	for {
		param, err := p.param()
		if err != nil {
			return Challenge{}, err
		}
		if _, twice := c.Param(param.Name); twice {
			return Challenge{}, ErrChallenge // RFC 9110 §11.2: names must only occur once
		}
		c.Params = append(c.Params, param)
		p.skipSpace()
		if p.end() {
			return c, nil
		}
		if p.s[p.i] != ',' {
			return Challenge{}, ErrChallenge
		}
		p.skipCommas()
		if p.end() || !p.atParam() {
			return c, nil // what follows the comma is the next challenge
		}
	}
}

// atParam reports whether what comes next is name "=" value rather than the
// scheme of the next challenge.
func (p *challengeParser) atParam() bool {
	mark := p.i
	defer func() { p.i = mark }()
	if p.token() == "" {
		return false
	}
	p.skipSpace()
	return !p.end() && p.s[p.i] == '='
}

func (p *challengeParser) param() (Param, error) {
	name := p.token()
	p.skipSpace()
	if name == "" || p.end() || p.s[p.i] != '=' {
		return Param{}, ErrChallenge
	}
	p.i++
	p.skipSpace()
	if !p.end() && p.s[p.i] == '"' {
		value, err := p.quoted()
		return Param{name, value}, err
	}
	value := p.token()
	if value == "" {
		return Param{}, ErrChallenge
	}
	return Param{name, value}, nil
}

func (p *challengeParser) quoted() (string, error) {
	var b strings.Builder
	for p.i++; !p.end(); p.i++ {
		switch v := p.s[p.i]; {
		case v == '"':
			p.i++
			return b.String(), nil
		case v == '\\':
			if p.i++; p.end() || isControl(p.s[p.i]) {
				return "", ErrChallenge
			}
			b.WriteByte(p.s[p.i])
		case isControl(v):
			return "", ErrChallenge
		default:
			b.WriteByte(v)
		}
	}
	return "", ErrChallenge
}

// token68 takes the token68 form where nothing but a comma or the end follows
// it; "realm=" alone is such a form too, as RFC 9110 §11.2 has it.
func (p *challengeParser) token68() (string, bool) {
	start := p.i
	for !p.end() && (isAlphaNum(p.s[p.i]) || strings.IndexByte("-._~+/", p.s[p.i]) >= 0) {
		p.i++
	}
	if p.i == start {
		return "", false
	}
	for !p.end() && p.s[p.i] == '=' {
		p.i++
	}
	value := p.s[start:p.i]
	p.skipSpace()
	if p.end() || p.s[p.i] == ',' {
		return value, true
	}
	p.i = start
	return "", false
}

// isControl reports what no quoted string may hold, escaped or not (RFC 9110
// §5.6.4).
func isControl(b byte) bool { return b < ' ' && b != '\t' || b == 0x7F }

func isAlphaNum(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
}

// isTokenChar follows tchar, RFC 9110 §5.6.2.
func isTokenChar(b byte) bool {
	return isAlphaNum(b) || strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
}
