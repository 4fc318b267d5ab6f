package doorward

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
)

// vectors reads a file of testdata/vectors into v.
func vectors(t *testing.T, file string, v any) {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors/" + file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

func TestParseChallenges(t *testing.T) {
	var file struct {
		Cases []struct {
			Name       string
			Fields     []string
			Challenges []struct {
				Scheme, Token68 string
				Params          [][2]string
			}
			Written   []string
			Malformed bool
		}
	}
	vectors(t, "challenges.json", &file)
	if len(file.Cases) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			var want []Challenge
			for _, ch := range c.Challenges {
				w := Challenge{Scheme: ch.Scheme, Token68: ch.Token68}
				for _, p := range ch.Params {
					w.Params = append(w.Params, Param{p[0], p[1]})
				}
				want = append(want, w)
			}
			got, err := ParseChallenges(c.Fields)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %q,\nwant %q", got, want)
			}
			if malformed := errors.Is(err, ErrChallenge); malformed != c.Malformed {
				t.Errorf("malformed: %t (%v)", malformed, err)
			}
			for i, ch := range got {
				if i < len(c.Written) && ch.String() != c.Written[i] {
					t.Errorf("written %s,\nwant    %s", ch, c.Written[i])
				}
			}
			if err == nil {
				rewritten(t, got)
			}
		})
	}
}

// rewritten checks that what String writes is read as what was written,
// whether in one field or in one each.
func rewritten(t *testing.T, all []Challenge) {
	t.Helper()
	var fields []string
	for _, c := range all {
		fields = append(fields, c.String())
	}
	for _, form := range [][]string{fields, {strings.Join(fields, ", ")}} {
		if len(strings.Join(form, "")) > maxChallengeField {
			continue // quotes were added
		}
		if again, err := ParseChallenges(form); err != nil || !reflect.DeepEqual(again, all) {
			t.Errorf("%q was written and read as %q, %v", form, again, err)
		}
	}
}

func TestParseChallengesIsBounded(t *testing.T) {
	field := "Basic realm=" + strings.Repeat("x", maxChallengeField-len("Basic realm="))
	if got, err := ParseChallenges([]string{field}); err != nil || len(got) != 1 {
		t.Errorf("a field at the bound: %v", err)
	}
	if got, err := ParseChallenges([]string{"Bearer", field + "x"}); !errors.Is(err, ErrChallenge) || len(got) != 1 {
		t.Errorf("a field over the bound: %v", err)
	}
}

func TestChallengeParam(t *testing.T) {
	c := Challenge{Scheme: "Bearer", Params: []Param{{"realm", "a"}, {"Error", ""}}}
	for name, want := range map[string]struct {
		value string
		ok    bool
	}{"realm": {"a", true}, "REALM": {"a", true}, "error": {"", true}, "scope": {"", false}} {
		if got, ok := c.Param(name); got != want.value || ok != want.ok {
			t.Errorf("Param(%q) = %q, %t", name, got, ok)
		}
	}
}

// A value cannot end its quotes, its parameter or its field.
func TestChallengeStringKeepsValuesIn(t *testing.T) {
	for value, want := range map[string]string{
		`a", error="b`:           `Bearer realm="a\", error=\"b"`,
		`a\`:                     `Bearer realm="a\\"`,
		"a\r\nSet-Cookie: b=c":   `Bearer realm="a  Set-Cookie: b=c"`,
		"a\x00\x1F\x7F\tb":       "Bearer realm=\"a   \tb\"",
		"caf\u00E9":              "Bearer realm=\"caf\u00E9\"",
		"":                       `Bearer realm=""`,
		"a, Basic realm=\"x\" b": `Bearer realm="a, Basic realm=\"x\" b"`,
	} {
		got := Challenge{Scheme: "Bearer", Params: []Param{{"realm", value}}}.String()
		if got != want {
			t.Errorf("%q is written %s, want %s", value, got, want)
		}
		if all, err := ParseChallenges([]string{got}); err != nil || len(all) != 1 || len(all[0].Params) != 1 {
			t.Errorf("%s is read as %q, %v", got, all, err)
		}
	}
}

func FuzzParseChallenges(f *testing.F) {
	f.Add(`Newauth realm="apps", type=1, title="Login to \"apps\"", Basic realm="simple"`)
	f.Add(`Negotiate abc==, NTLM, , Bearer error = x`)
	f.Add("Basic realm=\"\\\x01\"")
	f.Add("a b=\"\", c ==")
	f.Fuzz(func(t *testing.T, field string) {
		all, err := ParseChallenges([]string{field})
		if err != nil && !errors.Is(err, ErrChallenge) {
			t.Fatal(err)
		}
		rewritten(t, all)
	})
}
