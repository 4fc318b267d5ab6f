package strictjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestParseTakes(t *testing.T) {
	v, err := ParseObject([]byte(` {"a":1,"b":[true,null,-0.5e+3],"c":{"d":"\u00e9\ud83d\ude00\n"},"e":1000.0} `))
	if err != nil {
		t.Fatal(err)
	}
	if n, ok := v.Get("a").Int(); !ok || n != 1 {
		t.Errorf("a = %v", v.Get("a"))
	}
	if s := v.Get("c").Get("d").Text; s != "é😀\n" {
		t.Errorf("d = %q", s)
	}
	if n, ok := v.Get("e").Int(); !ok || n != 1000 {
		t.Errorf("e = %v", v.Get("e"))
	}
	if f, ok := v.Get("b").Items[2].Float(); !ok || f != -500 {
		t.Errorf("b[2] = %v", v.Get("b").Items[2])
	}
	if v.Get("A").Kind != Absent {
		t.Error("a member was found in another case")
	}
}

func TestParseRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"nothing":               "",
		"space":                 "  ",
		"duplicate":             `{"a":1,"a":2}`,
		"duplicate by escape":   `{"a":1,"\u0061":2}`,
		"other case":            `{"sub":1,"SUB":2}`,
		"Kelvin sign":           "{\"k\":1,\"\u212a\":2}",
		"duplicate deep inside": `{"x":[{"a":1,"A":1}]}`,
		"trailing":              `{} {}`,
		"trailing comma":        `{"a":1,}`,
		"array trailing comma":  `[1,]`,
		"byte order mark":       "\ufeff{}",
		"bad UTF-8":             "{\"a\":\"\xff\"}",
		"lone surrogate":        `{"a":"\ud800"}`,
		"low surrogate":         `{"a":"\udc00\ud800"}`,
		"control character":     "{\"a\":\"\x01\"}",
		"raw newline":           "{\"a\":\"\n\"}",
		"leading zero":          `{"a":01}`,
		"plus":                  `{"a":+1}`,
		"bare point":            `{"a":1.}`,
		"hex escape with sign":  `{"a":"\u+041"}`,
		"NaN":                   `{"a":NaN}`,
		"single quotes":         `{'a':1}`,
		"comment":               `{"a":1/**/}`,
		"unfinished":            `{"a":"b`,
		"too deep":              strings.Repeat("[", 17) + strings.Repeat("]", 17),
		"vertical tab as space": "{\"a\":\v1}",
	} {
		if v, err := Parse([]byte(in)); err == nil {
			t.Errorf("%s: %q was taken as %v", name, in, v)
		}
	}
	if _, err := ParseObject([]byte(`[]`)); !errors.Is(err, ErrNotObject) {
		t.Errorf("an array for an object: %v", err)
	}
}

// TestManyMembers: the set that many names go into finds what comparing them
// one by one finds.
func TestManyMembers(t *testing.T) {
	object := func(last string) []byte {
		var b strings.Builder
		b.WriteString(`{"\u017f":0`) // a long s, which folds to S
		for i := range 200 {
			fmt.Fprintf(&b, `,"Name%d":%d`, i, i)
		}
		return []byte(b.String() + `,"` + last + `":0}`)
	}
	if _, err := Parse(object("name200")); err != nil {
		t.Error(err)
	}
	for _, last := range []string{"Name7", "nAME7", "Name150", "NAME150", "s", "S"} {
		var e *Error
		if _, err := Parse(object(last)); !errors.As(err, &e) || e.Member != last {
			t.Errorf("%s: %v", last, err)
		}
	}
}

func TestIntRefusesWhatIsNotWhole(t *testing.T) {
	for _, s := range []string{"1.5", "1e400", "9223372036854775808", "1e17"} {
		v, err := Parse([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		if n, ok := v.Int(); ok {
			t.Errorf("%s = %d", s, n)
		}
	}
}

// FuzzParse: whatever this package takes, encoding/json takes too; the
// reverse does not hold, on purpose.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"a":[1,2,{"b":"\u00e9"}],"c":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := Parse(data); err == nil && !json.Valid(data) {
			t.Errorf("%q was taken, and is not JSON", data)
		}
	})
}
