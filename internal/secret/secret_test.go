package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

const (
	plain   = "correct horse battery staple"
	hexKey  = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	verbs   = "vTtbcdoOqxXUeEfFgGsp"
	keyByte = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"
)

func testKey(t *testing.T) MasterKey {
	t.Helper()
	key, err := ParseMasterKey(hexKey)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// carriers are the ways in which a secret ends up in something printed.
func carriers(t *testing.T) map[string]any {
	text, key := New(plain), testKey(t)
	box := NewBox(key, "test")
	type hidden struct {
		text Text
		key  MasterKey
		box  *Box
		any  any
	}
	type shown struct {
		Text Text      `json:"text"`
		Key  MasterKey `json:"key"`
		Box  *Box      `json:"box"`
		Any  any       `json:"any"`
	}
	return map[string]any{
		"text": text, "pointer to text": &text, "key": key, "box": box,
		"unexported fields": hidden{text, key, box, text}, "pointer to those": &hidden{text, key, box, &text},
		"exported fields": shown{text, key, box, key}, "pointer to them": &shown{text, key, box, &key},
		"slice": []Text{text}, "map": map[string]any{"k": text, "b": box}, "error": fmt.Errorf("login: %v", text),
	}
}

// leaks reports whether out holds a secret, as text or in an encoding that
// printing could have put it in.
func leaks(out string) bool {
	lower := strings.ToLower(out)
	for _, s := range []string{plain, keyByte} {
		numbers := strings.Trim(fmt.Sprint([]byte(s)), "[]")
		for _, form := range []string{
			s, hex.EncodeToString([]byte(s)), fmt.Sprintf("% x", s), numbers, strings.ReplaceAll(numbers, " ", ","),
			base64.RawStdEncoding.EncodeToString([]byte(s))[:30], strings.Trim(fmt.Sprintf("%#v", []byte(s)), "[]byte{}"),
		} {
			if strings.Contains(lower, strings.ToLower(form)) {
				return true
			}
		}
	}
	return false
}

func TestLeaksIsNotBlind(t *testing.T) {
	for _, out := range []string{
		plain, fmt.Sprintf("%x", plain), fmt.Sprintf("%X", keyByte), fmt.Sprint([]byte(plain)), fmt.Sprintf("% x", keyByte),
		fmt.Sprintf("%#v", []byte(plain)), base64.StdEncoding.EncodeToString([]byte(keyByte)),
		fmt.Sprintf("%v", struct{ s string }{plain}),
	} {
		if !leaks(out) {
			t.Errorf("%q passes for clean", out)
		}
	}
}

func TestNothingPrints(t *testing.T) {
	for name, v := range carriers(t) {
		for _, flag := range []string{"", "+", "#", " ", "0", "-", "+#", "30", ".3"} {
			for _, verb := range verbs {
				if out := fmt.Sprintf("%"+flag+string(verb), v); leaks(out) {
					t.Errorf("%s: %%%s%c printed %q", name, flag, verb, out)
				}
			}
		}
		if out := fmt.Sprint(v) + fmt.Sprintln(v) + fmt.Errorf("%w", fmt.Errorf("%v", v)).Error(); leaks(out) {
			t.Errorf("%s: printed %q", name, out)
		}
	}
}

func TestNothingIsLogged(t *testing.T) {
	var out bytes.Buffer
	loggers := []*slog.Logger{slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil))}
	for name, v := range carriers(t) {
		for _, logger := range loggers {
			out.Reset()
			logger.With("with", v).WithGroup("group").Info("said", "value", v, slog.Group("inner", "value", v))
			if out.Len() == 0 || leaks(out.String()) {
				t.Errorf("%s: logged %q", name, out.String())
			}
		}
	}
}

func TestNothingIsMarshalled(t *testing.T) {
	for name, v := range carriers(t) {
		out, err := json.Marshal(v)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if leaks(string(out)) {
			t.Errorf("%s: marshalled %s", name, out)
		}
		if out, err := xml.Marshal(v); err == nil && leaks(string(out)) {
			t.Errorf("%s: marshalled %s", name, out)
		}
	}
}

func TestReadsSecret(t *testing.T) {
	text := New(plain)
	asJSON, _ := json.Marshal(map[string]Text{"password": text})
	for _, got := range []string{text.String(), text.GoString(), text.LogValue().String(), fmt.Sprintf("%d", text), fmt.Sprintf("%#v", text)} {
		if got != "[secret]" {
			t.Errorf("reads %q", got)
		}
	}
	if string(asJSON) != `{"password":"[secret]"}` {
		t.Errorf("reads %s", asJSON)
	}
}

func TestText(t *testing.T) {
	var zero Text
	if zero.Reveal() != "" || !zero.IsZero() || !New("").IsZero() || New("a").IsZero() || New(plain).Reveal() != plain {
		t.Error("Reveal or IsZero")
	}
	for _, tc := range []struct {
		a, b Text
		want bool
	}{
		{New("a"), New("a"), true},
		{New("a"), New("b"), false},
		{New("a"), New("aa"), false},
		{New(""), zero, true},
		{zero, zero, true},
		{zero, New("a"), false},
	} {
		if tc.a.Equal(tc.b) != tc.want || tc.b.Equal(tc.a) != tc.want {
			t.Errorf("%q equal %q is not %v", tc.a.Reveal(), tc.b.Reveal(), tc.want)
		}
	}
}

func TestRandom(t *testing.T) {
	a, b := Random(32), Random(32)
	if len(a) != 32 || len(Random(0)) != 0 || bytes.Equal(a, b) || bytes.Equal(a, make([]byte, 32)) {
		t.Errorf("%x, %x", a, b)
	}
}

func TestFingerprint(t *testing.T) {
	// FIPS 180-4: SHA-256("abc") = ba7816bf 8f01cfea…
	if got := Fingerprint("abc"); got != "ba7816bf" {
		t.Error(got)
	}
}

func TestParseMasterKey(t *testing.T) {
	raw := []byte(strings.Repeat("\xfb\xff", 16)) // has - and _, or + and /, in base64
	for _, text := range []string{
		base64.StdEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw),
		base64.URLEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
		hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)),
		"  " + hex.EncodeToString(raw) + "\r\n",
	} {
		key, err := ParseMasterKey(text)
		if err != nil || key.text.Reveal() != string(raw) {
			t.Errorf("ParseMasterKey(%q): %v", text, err)
			continue
		}
		if again, err := ParseMasterKey(key.Reveal()); err != nil || again.text.Reveal() != string(raw) {
			t.Errorf("what Reveal wrote does not parse: %v", err)
		}
	}
}

func TestParseMasterKeyRefuses(t *testing.T) {
	good := base64.RawURLEncoding.EncodeToString([]byte(keyByte))
	for text, want := range map[string]string{
		"":                                "empty",
		" \n":                             "empty",
		"hunter2hunter2":                  "14 characters",
		good + "AAAA":                     "47 characters",
		good[:42] + "*":                   "not the base64",
		good[:42] + "9":                   "not the base64", // bits behind the 32 bytes are not zero
		good + "A":                        "not the base64", // 33 bytes
		good[:20] + "\n" + good[20:]:      "not the base64", // encoding/base64 would skip it
		"-_+/" + good[4:]:                 "not the base64", // both alphabets
		strings.Repeat("z", 64):           "hexadecimal",
		strings.Repeat("0", 64):           "placeholder",
		strings.Repeat("A", 43):           "placeholder",
		strings.Repeat("ab", 32) + "\x00": "65 characters",
	} {
		key, err := ParseMasterKey(text)
		if err == nil || !strings.Contains(err.Error(), want) || !key.IsZero() {
			t.Errorf("ParseMasterKey(%q) = %v, want an error with %q", text, err, want)
			continue
		}
		if trimmed := strings.TrimSpace(text); trimmed != "" && strings.Contains(err.Error(), trimmed) {
			t.Errorf("the error repeats the key: %v", err)
		}
	}
}

func FuzzParseMasterKey(f *testing.F) {
	f.Add(hexKey)
	f.Add(base64.StdEncoding.EncodeToString([]byte(keyByte)))
	f.Fuzz(func(t *testing.T, text string) {
		key, err := ParseMasterKey(text)
		if err != nil {
			if len(text) > 16 && strings.Contains(err.Error(), text) {
				t.Errorf("the error repeats %q", text)
			}
			return
		}
		if again, err := ParseMasterKey(key.Reveal()); err != nil || !again.text.Equal(key.text) {
			t.Errorf("%q does not survive Reveal and Parse: %v", text, err)
		}
	})
}

func TestDerive(t *testing.T) {
	key := testKey(t)
	a := key.Derive("refresh token")
	// By Python's hmac module, RFC 5869 with SHA-256, no salt and
	// info "doorward/1/derive/refresh token".
	if got := hex.EncodeToString(a[:]); got != "7e1f35f12fcd4e0eb75452f880be6f1ce30a240ae3582ef3f5f07f323ae418d2" {
		t.Error(got)
	}
	if a != key.Derive("refresh token") || a == key.Derive("api key") || a == NewMasterKey().Derive("refresh token") {
		t.Error("not one key per master key and purpose")
	}
	defer func() {
		if recover() == nil {
			t.Error("the zero key derives")
		}
	}()
	MasterKey{}.Derive("anything")
}

func TestBox(t *testing.T) {
	box := NewBox(testKey(t), "signing key")
	for _, secret := range []string{"", "a", plain, strings.Repeat("long", 4096)} {
		sealed := box.Seal("id", []byte(secret))
		if len(sealed) != len(secret)+BoxOverhead || len(secret) > 8 && bytes.Contains(sealed, []byte(secret)) {
			t.Errorf("sealed %d bytes to %d", len(secret), len(sealed))
		}
		opened, err := NewBox(testKey(t), "signing key").Open("id", sealed)
		if err != nil || string(opened) != secret {
			t.Errorf("opened %q: %v", opened, err)
		}
	}
	if bytes.Equal(box.Seal("id", nil), box.Seal("id", nil)) {
		t.Error("one nonce used twice")
	}
}

func TestBoxRefuses(t *testing.T) {
	box := NewBox(testKey(t), "signing key")
	sealed := box.Seal("id", []byte(plain))
	for name, tc := range map[string]struct {
		box    *Box
		id     string
		sealed []byte
		want   error
	}{
		"another master key": {NewBox(NewMasterKey(), "signing key"), "id", sealed, ErrWrongKey},
		"another purpose":    {NewBox(testKey(t), "totp"), "id", sealed, ErrWrongKey},
		"another id":         {box, "other", sealed, ErrDamaged},
		"no id":              {box, "", sealed, ErrDamaged},
		"nothing":            {box, "id", nil, ErrDamaged},
		"too short":          {box, "id", sealed[:BoxOverhead-1], ErrDamaged},
		"cut":                {box, "id", sealed[:len(sealed)-1], ErrDamaged},
		"longer":             {box, "id", append(slices.Clone(sealed), 0), ErrDamaged},
		"not sealed":         {box, "id", []byte(strings.Repeat(plain, 3)), ErrDamaged},
	} {
		if got, err := tc.box.Open(tc.id, tc.sealed); !errors.Is(err, tc.want) || got != nil {
			t.Errorf("%s: %q, %v, want %v", name, got, err, tc.want)
		}
	}
	for i := range sealed {
		altered := slices.Clone(sealed)
		altered[i] ^= 1
		if _, err := box.Open("id", altered); err == nil {
			t.Errorf("altered at byte %d, it opens", i)
		}
	}
}

func FuzzOpen(f *testing.F) {
	box := NewBox(NewMasterKey(), "fuzz")
	f.Add("id", box.Seal("id", []byte(plain)))
	f.Add("id", []byte{boxVersion})
	f.Fuzz(func(t *testing.T, id string, sealed []byte) {
		if opened, err := box.Open(id, sealed); err == nil && string(opened) != plain {
			t.Errorf("%x opened", sealed)
		}
	})
}
