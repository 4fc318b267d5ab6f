package password

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

func TestCheck(t *testing.T) {
	known := []string{"christopher.robin@example.com", "Christopher Robin Milne", "Doorward", ""}
	for _, tc := range []struct {
		least    int
		password string
		want     Reason
	}{
		// Length, in code points of the normal form.
		{0, staple, ""},
		{0, "vuhT!k3-PqLm", TooShort},
		{0, "vuhT!k3-PqLm9#", TooShort},
		{0, "vuhT!k3-PqLm9#w", ""},
		{8, "vuhT!k3", TooShort},
		{8, "vuhT!k3-", ""},
		{1, "vuhT!k3", TooShort},
		{-5, "vuhT!k3", TooShort},
		{20, "vuhT!k3-PqLm9#wZ", TooShort},
		{8, "", TooShort},
		{8, strings.Repeat("\u00e9t", 3) + "x", TooShort},
		{8, "e\u0301le\u0301vea", TooShort}, // nine code points as typed, seven composed
		{8, "日本語の難しい鍵です", ""},
		{8, "🦊🐻🐼🐨🐯🦁🐮🐷", ""},
		{8, "🦊🐻🐼🐨🐯🦁🐮", TooShort},
		{0, "vuhT!k3-PqLm9#w" + strings.Repeat(" x", 505), TooLong},
		{0, strings.Repeat("\u00e9", 600), TooLong},

		// Text.
		{0, "correct horse\x00 battery", NotText},
		{0, "correct horse \xff\xfe battery", NotText},
		{0, "correct horse\tbattery staple", NotText},
		{0, "correct horse\nbattery staple", NotText},
		{0, "correct horse\u0085battery staple", NotText},
		{0, "  a space at each end  ", ""},
		{0, "\u00a0no-break\u3000ideographic", ""},

		// Common.
		{8, "password", Common},
		{8, "PassWord", Common},
		{8, "sunshine", Common},
		{8, "sunshine1", Common},
		{8, "sunshine7!", Common},
		{8, "1!sunshine", Common},
		{8, "sunshine7!xQ", ""},
		{0, "sunshinefootball", Common},
		{0, "football12345678", Common},
		{0, "qwertyuipassword", Common},
		{0, "1q2w3e4r5t6y7u8i9o", Guessable},
		{0, "manchesterunited", Common},
		{0, "PolniyPizdec0211", Common},
		{0, "passwordpassword", Common},
		{0, "SunshineSunshineSunshine", Common},
		{0, "sunshinesunshinesun", Common},
		{0, "sunshine football princess", ""},
		{0, "sunshinefootballprincess", ""},

		// Guessable.
		{8, "aaaaaaaa", Guessable},
		{0, strings.Repeat("x", 64), Guessable},
		{0, strings.Repeat("🦊", 20), Guessable},
		{0, strings.Repeat("é", 512), Guessable},
		{0, "abababababababab", Guessable},
		{0, "Ab3!Ab3!Ab3!Ab3!", Guessable},
		{0, "vuhT!k3vuhT!k3vuh", Guessable},
		{0, "vuhT!k3-vuhT!k3-", ""}, // 8 of it would do
		{0, "123456789012345", Guessable},
		{0, "098765432109876", Guessable},
		{0, "abcdefghijklmnop", Guessable},
		{0, "ponmlkjihgfedcba", Guessable},
		{0, "qwertyuiopasdfgh", Guessable},
		{0, "QWERTYUIOP123456", Guessable},
		{0, "111222333444555", Guessable},
		{0, "12345678987654321", Guessable},
		{0, "qazwsxedcrfvtgbyhn", Guessable},
		{0, "йцукенгшщзхъфыва", Guessable},
		{0, "abc123def456ghi789", Guessable},
		{0, "abc1def2ghi3jkl4", ""},

		// Known of the account.
		{0, "christopher.robin@example.com", Guessable},
		{0, "Christopher.Robin", Guessable},
		{0, "christopher2024", Guessable},
		{0, "DoorwardDoorward", Guessable},
		{0, "doorward-example", Guessable},
		{0, "ChristopherMilne", Guessable},
		{0, "doorward-password", Guessable + "|" + Common},
		{0, "christopher walks to the bridge", ""},
		{0, "doorward vuhT!k3-", ""},
		{0, "robin hood and his merry men", ""},
	} {
		err := Policy{MinLength: tc.least}.Check(tc.password, known...)
		if tc.want == "" {
			if err != nil {
				t.Errorf("%q (%d): %v", tc.password, tc.least, err)
			}
			continue
		}
		var weak *Weakness
		if !errors.As(err, &weak) || !slices.Contains(strings.Split(string(tc.want), "|"), string(weak.Reason)) {
			t.Errorf("%q (%d): %v, want %s", tc.password, tc.least, err, tc.want)
			continue
		}
		if weak.Message == "" || weak.Error() != weak.Message || strings.Contains(strings.TrimPrefix(weak.Message, "The password"), tc.password) && tc.password != "" {
			t.Errorf("%q: message %q", tc.password, weak.Message)
		}
	}
}

func TestCheckKnowsNothing(t *testing.T) {
	for _, known := range [][]string{nil, {""}, {"@"}, {"a@b.c", "Al", "x"}} {
		if err := (Policy{}).Check("a@b.c Al said x to a@b.c", known...); err != nil {
			t.Errorf("%q: %v", known, err)
		}
	}
}

func TestMessagesSayTheNumbers(t *testing.T) {
	for _, tc := range []struct {
		policy   Policy
		password string
		want     string
	}{
		{Policy{}, "short", "15 characters"},
		{Policy{MinLength: 8}, "short", "8 characters"},
		{Policy{}, strings.Repeat("long", 500), "1024 bytes"},
	} {
		if err := tc.policy.Check(tc.password); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v, want %q", err, tc.want)
		}
	}
}

func TestNormalFormsAreChecked(t *testing.T) {
	for _, form := range []norm.Form{norm.NFC, norm.NFD} {
		if err := (Policy{}).Check(form.String(composed)); err != nil {
			t.Error(err)
		}
		if err := (Policy{}).Check(form.String("André & Éluard!!"), "Éluard, André"); err == nil {
			t.Error("a known word in another form passes")
		}
	}
}

func TestCommonList(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(common, "\n"), "\n")
	if len(lines) < 20000 || !slices.IsSorted(lines) || !strings.HasSuffix(common, "\n") {
		t.Fatalf("%d entries, or not sorted", len(lines))
	}
	longest := 0
	for _, line := range lines {
		if line != fold(line) || utf8.RuneCountInString(line) < LeastMinLength {
			t.Errorf("%q is not as it is looked up", line)
		}
		if !isCommon(line) {
			t.Errorf("%q is not found", line)
		}
		for _, near := range []string{line + "\x00", line[:len(line)-1], line + "\n", "\x00" + line, line + "\n" + line} {
			if _, there := slices.BinarySearch(lines, near); isCommon(near) != there {
				t.Errorf("%q: found is not %v", near, there)
			}
		}
		longest = max(longest, len(line))
	}
	for _, s := range []string{"", "\x00", "\n", "\xff\xff", "zzzzzzzzzzzzzzzzzz", common[:100]} {
		if isCommon(s) {
			t.Errorf("%q is found", s)
		}
	}
	if maxParts < 2*longest {
		t.Errorf("the longest entry has %d bytes", longest)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(staple, "a@example.com", 8)
	f.Add("sunshine1", "", 0)
	f.Add("e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301x", "\u00e9", 8)
	f.Fuzz(func(t *testing.T, password, known string, least int) {
		err := Policy{MinLength: least}.Check(password, known)
		if err == nil && (len(password) > MaxBytes || !utf8.ValidString(password) ||
			utf8.RuneCountInString(norm.NFC.String(password)) < max(least, LeastMinLength)) {
			t.Errorf("%q passes", password)
		}
		if again := (Policy{MinLength: least}).Check(norm.NFD.String(password), known); err == nil && again != nil &&
			len(norm.NFD.String(password)) <= MaxBytes {
			t.Errorf("%q passes, its decomposed form does not: %v", password, again)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	for name, password := range map[string]string{
		"phrase": staple, "common": "manchesterunited", "longest": strings.Repeat("abcdefghi1", 102), "sequences": strings.Repeat("abcd123", 10)[:64] + "xy!",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = Policy{}.Check(password, "someone@example.com", "Doorward")
			}
		})
	}
}
