// Package strictjson reads JSON (RFC 8259) that a stranger wrote, and takes
// only what every reader would read alike: valid UTF-8, no byte order mark, no
// lone surrogates, no member twice, no two members that differ only in case,
// nothing behind the value, and no more depth or members than the bounds.
//
// encoding/json takes the first of all these and picks a winner silently,
// which lets one party check a value and another act on a different one.
package strictjson

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds on what Parse takes; the size in bytes is the caller's to bound.
const (
	MaxDepth   = 16  // arrays and objects inside one another
	MaxMembers = 256 // members of one object
)

// Kind is the type of a value.
type Kind uint8

// The kinds of value. The zero Kind is a value that is not there.
const (
	Absent Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

func (k Kind) String() string {
	return [...]string{"nothing", "null", "a boolean", "a number", "a string", "an array", "an object"}[k]
}

// Value is one JSON value. The zero Value is a value that is not there.
type Value struct {
	Kind    Kind
	Text    string   // a string's text; a number's or a boolean's literal
	Items   []Value  // an array's elements
	Members []Member // an object's members, in order
}

// Member is one member of an object.
type Member struct {
	Name  string
	Value Value
}

// Get returns the member name of an object, or the zero Value.
func (v Value) Get(name string) Value {
	for i := range v.Members {
		if v.Members[i].Name == name {
			return v.Members[i].Value
		}
	}
	return Value{}
}

// Int returns a number that is a whole one and fits an int64 exactly.
func (v Value) Int() (int64, bool) {
	if v.Kind != Number {
		return 0, false
	}
	if n, err := strconv.ParseInt(v.Text, 10, 64); err == nil {
		return n, true
	}
	// 1e3 and 1000.0 are whole numbers too.
	f, err := strconv.ParseFloat(v.Text, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// Float returns a number as a float64.
func (v Value) Float() (float64, bool) {
	if v.Kind != Number {
		return 0, false
	}
	f, err := strconv.ParseFloat(v.Text, 64)
	return f, err == nil
}

// Error tells what is wrong and where. It repeats none of the input but, for
// a member that occurs twice, its name.
type Error struct {
	Offset int    // in bytes
	Member string // the member at fault, where one is
	Reason string
}

func (e *Error) Error() string {
	if e.Member != "" {
		return fmt.Sprintf("member %q at byte %d: %s", e.Member, e.Offset, e.Reason)
	}
	return fmt.Sprintf("at byte %d: %s", e.Offset, e.Reason)
}

// ErrNotObject reports a text whose value is not an object.
var ErrNotObject = errors.New("the value must be an object")

// ParseObject is Parse for a text that must hold an object.
func ParseObject(data []byte) (Value, error) {
	v, err := Parse(data)
	if err == nil && v.Kind != Object {
		return Value{}, ErrNotObject
	}
	return v, err
}

// Parse reads one JSON text. Errors are of type *Error.
func Parse(data []byte) (Value, error) {
	p := parser{s: string(data)}
	if !utf8.ValidString(p.s) {
		return Value{}, &Error{Reason: "not valid UTF-8"}
	}
	p.space()
	v, err := p.value(0)
	if err != nil {
		return Value{}, err
	}
	p.space()
	if p.i < len(p.s) {
		return Value{}, p.fail("data after the value")
	}
	return v, nil
}

type parser struct {
	s string
	i int
}

func (p *parser) fail(reason string) error { return &Error{Offset: p.i, Reason: reason} }

func (p *parser) space() {
	for p.i < len(p.s) {
		switch p.s[p.i] {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return
		}
	}
}

func (p *parser) peek() byte {
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

func (p *parser) value(depth int) (Value, error) {
	switch c := p.peek(); {
	case c == '{' || c == '[':
		if depth >= MaxDepth {
			return Value{}, p.fail("nested too deeply")
		}
		if c == '{' {
			return p.object(depth)
		}
		return p.array(depth)
	case c == '"':
		s, err := p.text()
		return Value{Kind: String, Text: s}, err
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	default:
		for _, lit := range [...]struct {
			text string
			kind Kind
		}{{"true", Bool}, {"false", Bool}, {"null", Null}} {
			if strings.HasPrefix(p.s[p.i:], lit.text) {
				p.i += len(lit.text)
				return Value{Kind: lit.kind, Text: lit.text}, nil
			}
		}
		if p.i >= len(p.s) {
			return Value{}, p.fail("a value is missing")
		}
		return Value{}, p.fail("not a JSON value")
	}
}

func (p *parser) array(depth int) (Value, error) {
	v := Value{Kind: Array}
	p.i++
	p.space()
	if p.peek() == ']' {
		p.i++
		return v, nil
	}
	for {
		p.space()
		item, err := p.value(depth + 1)
		if err != nil {
			return Value{}, err
		}
		v.Items = append(v.Items, item)
		p.space()
		switch p.peek() {
		case ',':
			p.i++
		case ']':
			p.i++
			return v, nil
		default:
			return Value{}, p.fail("an array needs a comma or its end here")
		}
	}
}

func (p *parser) object(depth int) (Value, error) {
	v := Value{Kind: Object}
	p.i++
	p.space()
	if p.peek() == '}' {
		p.i++
		return v, nil
	}
	v.Members = make([]Member, 0, usualMembers)
	var names names
	for {
		p.space()
		if p.peek() != '"' {
			return Value{}, p.fail("a member's name must be a string")
		}
		at := p.i
		name, err := p.text()
		if err != nil {
			return Value{}, err
		}
		switch other, taken := names.add(name, v.Members); {
		case taken && other == name:
			return Value{}, &Error{Offset: at, Member: name, Reason: "occurs twice"}
		case taken:
			return Value{}, &Error{Offset: at, Member: name, Reason: "occurs twice, in another case"}
		}
		if len(v.Members) == MaxMembers {
			return Value{}, p.fail("too many members")
		}
		p.space()
		if p.peek() != ':' {
			return Value{}, p.fail("a colon is missing")
		}
		p.i++
		p.space()
		value, err := p.value(depth + 1)
		if err != nil {
			return Value{}, err
		}
		v.Members = append(v.Members, Member{name, value})
		p.space()
		switch p.peek() {
		case ',':
			p.i++
		case '}':
			p.i++
			return v, nil
		default:
			return Value{}, p.fail("an object needs a comma or its end here")
		}
	}
}

// usualMembers is how many members most objects stay under. A few names are
// compared one by one; more, which only a stranger sends, go into a set, so that
// the time stays in proportion to the size.
const usualMembers = 8

// names are those of one object. They are compared as encoding/json would
// match them: by Unicode's simple case folding.
type names struct{ folded map[string]string }

// add adds a name to those of members, and returns the one that is as good as
// equal to it, if there is one.
func (n *names) add(name string, members []Member) (other string, taken bool) {
	if len(members) < usualMembers {
		for i := range members {
			if strings.EqualFold(members[i].Name, name) {
				return members[i].Name, true
			}
		}
		return "", false
	}
	if n.folded == nil {
		n.folded = make(map[string]string, 2*usualMembers)
		for i := range members {
			n.folded[fold(members[i].Name)] = members[i].Name
		}
	}
	key := fold(name)
	if other, taken = n.folded[key]; !taken {
		n.folded[key] = name
	}
	return other, taken
}

// fold gives all names that strings.EqualFold takes for equal the same form:
// of each letter the least of those that differ from it in case only.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, name)
}

func (p *parser) number() (Value, error) {
	start := p.i
	digits := func() bool {
		from := p.i
		for '0' <= p.peek() && p.peek() <= '9' {
			p.i++
		}
		return p.i > from
	}
	if p.peek() == '-' {
		p.i++
	}
	if p.peek() == '0' {
		p.i++
	} else if !digits() {
		return Value{}, p.fail("not a number")
	}
	if p.peek() == '.' {
		p.i++
		if !digits() {
			return Value{}, p.fail("a number needs digits after its point")
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.i++
		if c := p.peek(); c == '+' || c == '-' {
			p.i++
		}
		if !digits() {
			return Value{}, p.fail("a number needs digits in its exponent")
		}
	}
	return Value{Kind: Number, Text: p.s[start:p.i]}, nil
}

func (p *parser) text() (string, error) {
	p.i++
	start := p.i
	for p.i < len(p.s) && p.s[p.i] != '"' && p.s[p.i] != '\\' && p.s[p.i] >= ' ' {
		p.i++
	}
	if p.peek() == '"' {
		s := p.s[start:p.i]
		p.i++
		return s, nil
	}
	b := []byte(p.s[start:p.i])
	for {
		if p.i >= len(p.s) {
			return "", p.fail("a string does not end")
		}
		c := p.s[p.i]
		switch {
		case c == '"':
			p.i++
			return string(b), nil
		case c < ' ':
			return "", p.fail("a control character in a string")
		case c != '\\':
			b = append(b, c)
			p.i++
		default:
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			b = utf8.AppendRune(b, r)
		}
	}
}

var escapes = map[byte]rune{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (p *parser) escape() (rune, error) {
	p.i++
	c := p.peek()
	if r, ok := escapes[c]; ok {
		p.i++
		return r, nil
	}
	if c != 'u' {
		return 0, p.fail("an unknown escape")
	}
	p.i++
	r, err := p.hex()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if !strings.HasPrefix(p.s[p.i:], `\u`) {
		return 0, p.fail("a lone surrogate")
	}
	p.i += 2
	low, err := p.hex()
	if err != nil {
		return 0, err
	}
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, p.fail("a lone surrogate")
	}
	return r, nil
}

func (p *parser) hex() (rune, error) {
	if p.i+4 > len(p.s) {
		return 0, p.fail("an escape is cut short")
	}
	n, err := strconv.ParseUint(p.s[p.i:p.i+4], 16, 32)
	if err != nil {
		return 0, p.fail("an escape needs four hexadecimal digits")
	}
	p.i += 4
	return rune(n), nil
}
