package user

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

func TestParseEmail(t *testing.T) {
	for _, c := range []struct{ name, in, email, key string }{
		{"plain", "anna@example.org", "anna@example.org", "anna@example.org"},
		{"kept as it is written", "Anna.Schmidt+News@Example.ORG", "Anna.Schmidt+News@Example.ORG", "anna.schmidt+news@example.org"},
		{"space around it", " \t\nanna@example.org \u00A0", "anna@example.org", "anna@example.org"},
		{"every sign of an atom", "!#$%&'*+-/=?^_`{|}~@example.org", "!#$%&'*+-/=?^_`{|}~@example.org", "!#$%&'*+-/=?^_`{|}~@example.org"},
		{"dots are not dropped", "a.n.n.a@example.org", "a.n.n.a@example.org", "a.n.n.a@example.org"},
		{"a host without a dot", "anna@localhost", "anna@localhost", "anna@localhost"},

		{"composed", "andr\u00E9@example.org", "andr\u00E9@example.org", "andr\u00E9@example.org"},
		{"decomposed", "andre\u0301@example.org", "andr\u00E9@example.org", "andr\u00E9@example.org"},
		{"decomposed, upper case", "ANDRE\u0301@EXAMPLE.ORG", "ANDR\u00C9@EXAMPLE.ORG", "andr\u00E9@example.org"},
		{"the Kelvin sign is a K", "\u212Aelvin@example.org", "Kelvin@example.org", "kelvin@example.org"},
		{"the Angstrom sign is a letter", "\u212B@example.org", "\u00C5@example.org", "\u00E5@example.org"},
		{"a wide letter is another one", "\uFF41nna@example.org", "\uFF41nna@example.org", "\uFF41nna@example.org"},
		{"a Cyrillic letter is another one", "\u0430nna@example.org", "\u0430nna@example.org", "\u0430nna@example.org"},

		{"İ is an i with its dot", "\u0130pek@example.org", "\u0130pek@example.org", "i\u0307pek@example.org"},
		{"İ decomposed", "I\u0307pek@example.org", "\u0130pek@example.org", "i\u0307pek@example.org"},
		{"İ in lower case", "i\u0307pek@example.org", "i\u0307pek@example.org", "i\u0307pek@example.org"},
		{"I is an i", "IPEK@example.org", "IPEK@example.org", "ipek@example.org"},
		{"ı is no i", "\u0131pek@example.org", "\u0131pek@example.org", "\u0131pek@example.org"},
		{"capital sigma", "\u039F\u0394\u03A5\u03A3@example.org", "\u039F\u0394\u03A5\u03A3@example.org", "\u03BF\u03B4\u03C5\u03C3@example.org"},
		{"final sigma", "\u03BF\u03B4\u03C5\u03C2@example.org", "\u03BF\u03B4\u03C5\u03C2@example.org", "\u03BF\u03B4\u03C5\u03C3@example.org"},
		{"sharp s is not ss", "Stra\u00DFe@example.org", "Stra\u00DFe@example.org", "stra\u00DFe@example.org"},
		{"capital sharp s", "STRA\u1E9EE@example.org", "STRA\u1E9EE@example.org", "stra\u00DFe@example.org"},
		{"long s is an s", "\u017Fam@example.org", "\u017Fam@example.org", "sam@example.org"},

		{"an international domain", "info@B\u00DCCHER.example", "info@B\u00DCCHER.example", "info@b\u00FCcher.example"},
		{"its other spelling is another address", "info@xn--bcher-kva.example", "info@xn--bcher-kva.example", "info@xn--bcher-kva.example"},
		{"another script", "\u7528\u6237@\u4F8B\u5B50.\u5E7F\u544A", "\u7528\u6237@\u4F8B\u5B50.\u5E7F\u544A", "\u7528\u6237@\u4F8B\u5B50.\u5E7F\u544A"},
		{"marks that do not compose", "\u0915\u094D\u0937@example.org", "\u0915\u094D\u0937@example.org", "\u0915\u094D\u0937@example.org"},
	} {
		t.Run(c.name, func(t *testing.T) {
			email, key, err := ParseEmail(c.in)
			if err != nil || email != c.email || key != c.key {
				t.Errorf("%+q, %+q, %v;\nwant %+q, %+q", email, key, err, c.email, c.key)
			}
		})
	}
}

func TestParseEmailRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"nothing":                        "",
		"space only":                     "  ",
		"no @":                           "anna.example.org",
		"no local part":                  "@example.org",
		"no domain":                      "anna@",
		"two @":                          "anna@b@example.org",
		"a dot first in the domain":      "anna@.example.org",
		"a dot last in the domain":       "anna@example.org.",
		"two dots in the domain":         "anna@example..org",
		"a space inside":                 "an na@example.org",
		"a no-break space":               "an\u00A0na@example.org",
		"an ideographic space":           "an\u3000na@example.org",
		"a tab":                          "an\tna@example.org",
		"a line end":                     "anna@example.org\r\nBcc: b@example.org",
		"a null":                         "anna\x00@example.org",
		"a delete character":             "anna\x7F@example.org",
		"a control character of Latin 1": "anna\u0085@example.org",
		"not UTF-8":                      "anna\xFF@example.org",
		"half a character":               "anna\xC3@example.org",
		"quotes":                         `"anna"@example.org`,
		"quotes around a space":          `"an na"@example.org`,
		"a backslash":                    `an\na@example.org`,
		"a name and an address":          "Anna <anna@example.org>",
		"angle brackets":                 "<anna@example.org>",
		"a list":                         "anna@example.org,b@example.org",
		"a comment":                      "anna(work)@example.org",
		"an address literal":             "anna@[192.0.2.1]",
		"a port":                         "anna@example.org:25",
		"a scheme":                       "mailto:anna@example.org",
		"a zero width space":             "an\u200Bna@example.org",
		"a zero width joiner":            "an\u200Dna@example.org",
		"a soft hyphen":                  "an\u00ADna@example.org",
		"a byte order mark":              "\uFEFFanna@example.org",
		"an override of direction":       "anna\u202E@example.org",
		"a word joiner":                  "anna@exam\u2060ple.org",
		"a tag character":                "anna\U000E0061@example.org",
		"a variation selector":           "anna\uFE0F@example.org",
		"a grapheme joiner":              "an\u034Fna@example.org",
		"a Hangul filler":                "anna\u3164@example.org",
		"a half width filler":            "anna\uFFA0@example.org",
		"a blank of Braille":             "anna\u2800@example.org",
		"a private character":            "anna\uE000@example.org",
	} {
		t.Run(name, func(t *testing.T) {
			email, key, err := ParseEmail(in)
			var invalid *InvalidError
			if !errors.As(err, &invalid) || invalid.Member != "email" || email != "" || key != "" {
				t.Fatalf("%+q, %+q, %v", email, key, err)
			}
			if len(invalid.Reason) < 10 || err.Error() != "email: "+invalid.Reason {
				t.Errorf("%v", err)
			}
		})
	}
}

// Lengths are in bytes of the form that is kept.
func TestParseEmailLengths(t *testing.T) {
	domain := func(n int) string { return strings.Repeat("d", n-4) + ".org" }
	for _, c := range []struct {
		name, in string
		ok       bool
	}{
		{"254 bytes", strings.Repeat("a", 64) + "@" + domain(189), true},
		{"254 bytes and space around them", " " + strings.Repeat("a", 64) + "@" + domain(189) + "\n", true},
		{"255 bytes", strings.Repeat("a", 64) + "@" + domain(190), false},
		{"a local part of 64 bytes", strings.Repeat("a", 64) + "@example.org", true},
		{"a local part of 65 bytes", strings.Repeat("a", 65) + "@example.org", false},
		{"64 bytes in 32 characters", strings.Repeat("\u00E9", 32) + "@example.org", true},
		{"66 bytes in 33 characters", strings.Repeat("\u00E9", 33) + "@example.org", false},
		{"64 bytes once composed", strings.Repeat("e\u0301", 32) + "@example.org", true},
		{"longer once composed", strings.Repeat("\u0958", 21) + "@example.org", false}, // 3 bytes become 6
		{"254 bytes that become 257", "a@" + strings.Repeat("d", 249) + "\u0958", false},
		{"a megabyte", strings.Repeat("a", 1<<20) + "@example.org", false},
	} {
		if _, _, err := ParseEmail(c.in); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestParseName(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		ok             bool
	}{
		{"plain", "Anna Schmidt", "Anna Schmidt", true},
		{"empty", "", "", true},
		{"space only", " \t\u00A0 ", "", true},
		{"space around it", "  Anna ", "Anna", true},
		{"decomposed", "Andre\u0301", "Andr\u00E9", true},
		{"quotes and signs", `Anna "O'Neil" <x> & Co., 3rd`, `Anna "O'Neil" <x> & Co., 3rd`, true},
		{"another script", "\u674E\u96F7", "\u674E\u96F7", true},
		{"a Persian name with a non-joiner", "\u0639\u0644\u06CC\u200C\u0631\u0636\u0627", "\u0639\u0644\u06CC\u200C\u0631\u0636\u0627", true},
		{"a Sinhala name with a joiner", "\u0DC1\u0DCA\u200D\u0DBB\u0DD3", "\u0DC1\u0DCA\u200D\u0DBB\u0DD3", true},
		{"an emoji", "Anna \u2764\uFE0F", "Anna \u2764\uFE0F", true},
		{"a line end", "Anna\nSchmidt", "", false},
		{"a tab", "Anna\tSchmidt", "", false},
		{"a null", "Anna\x00", "", false},
		{"a no-break space", "Anna\u00A0Schmidt", "", false},
		{"an override of direction", "Anna\u202Etdimhcs", "", false},
		{"a zero width space", "An\u200Bna", "", false},
		{"a line separator", "Anna\u2028", "Anna", true}, // space around it
		{"a line separator inside", "Anna\u2028Schmidt", "", false},
		{"not UTF-8", "Anna\xFF", "", false},
		{"200 bytes", strings.Repeat("a", 200), strings.Repeat("a", 200), true},
		{"200 bytes and space around them", " " + strings.Repeat("a", 200) + " ", strings.Repeat("a", 200), true},
		{"201 bytes", strings.Repeat("a", 201), "", false},
		{"200 bytes once composed", strings.Repeat("e\u0301", 100), strings.Repeat("\u00E9", 100), true},
		{"202 bytes once composed", strings.Repeat("e\u0301", 101), "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseName(c.in)
			if got != c.want || (err == nil) != c.ok {
				t.Errorf("%+q, %v; want %+q", got, err, c.want)
			}
			if invalid, is := errors.AsType[*InvalidError](err); err != nil && (!is || invalid.Member != "name") {
				t.Errorf("%v", err)
			}
		})
	}
}

func FuzzParseEmail(f *testing.F) {
	for _, s := range []string{"Anna@Example.org", "I\u0307@x", "\u03A3\u03C2@x", " a@b ", "\u1FB3\u0345@x", "a\u200D@b", "\u212A@\u1E9E", "a@b@c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		email, key, err := ParseEmail(s)
		if err != nil {
			if email != "" || key != "" {
				t.Errorf("refused and returned %+q, %+q", email, key)
			}
			return
		}
		if !utf8.ValidString(key) || !norm.NFC.IsNormalString(email) || !norm.NFC.IsNormalString(key) || len(email) > MaxEmail || strings.Count(email, "@") != 1 {
			t.Errorf("%+q, %+q", email, key)
		}
		for _, same := range []string{email, norm.NFD.String(email), strings.ToLower(email), strings.ToUpper(email), strings.ToTitle(email)} {
			// Where it is another text even to who knows all of case, or too
			// long, it may be another address.
			if !strings.EqualFold(norm.NFC.String(same), email) {
				continue
			}
			if _, again, err := ParseEmail(same); err == nil && again != key {
				t.Errorf("%+q has the key %+q, and %+q has %+q", email, key, same, again)
			}
		}
		if again := fold(key); again != key {
			t.Errorf("%+q folds to %+q", key, again)
		}
	})
}
