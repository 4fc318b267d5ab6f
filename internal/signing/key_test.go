package signing

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/verify"
)

var algorithms = []string{"ES256", "RS256", "EdDSA"}

func newBox() *secret.Box { return secret.NewBox(secret.NewMasterKey(), "signing key") }

// made returns a key of each sort, by use and algorithm.
func made(t testing.TB, box *secret.Box) (records []Record, keys []Key) {
	t.Helper()
	for _, algorithm := range append(algorithms, HS256) {
		use := UseAccess
		if algorithm == HS256 {
			use = UseRefresh
		}
		record, key, err := Make(use, algorithm, box, epoch, epoch.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		records, keys = append(records, record), append(keys, key)
	}
	return records, keys
}

func TestMakeAndOpen(t *testing.T) {
	box := newBox()
	records, keys := made(t, box)
	for i, record := range records {
		opened, err := Open(record, box)
		if err != nil {
			t.Fatal(err)
		}
		if !record.CreatedAt.Equal(epoch) || !record.ActiveAt.Equal(epoch.Add(time.Hour)) {
			t.Errorf("%s: times %v, %v", record.Algorithm, record.CreatedAt, record.ActiveAt)
		}
		if record.Use == UseRefresh {
			a, err := keys[i].Secret()
			b, err2 := opened.Secret()
			if a != b || a == [32]byte{} || err != nil || err2 != nil {
				t.Error("the key for refresh is another once opened", err, err2)
			}
			_, err = opened.Public()
			_, err2 = NewSigner(opened)
			if err == nil || err2 == nil {
				t.Error("a key for refresh has a public half, or signs")
			}
			continue
		}
		a, err := keys[i].Public()
		b, err2 := opened.Public()
		if err != nil || err2 != nil || !bytes.Equal(a.JWK(), b.JWK()) || a.ID != record.ID || a.Thumbprint() != record.ID {
			t.Errorf("%s: %s, then %s; %v, %v", record.Algorithm, a.JWK(), b.JWK(), err, err2)
		}
		if _, err := opened.Secret(); err == nil {
			t.Errorf("%s: a key for access serves refresh", record.Algorithm)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	box := newBox()
	records, _ := made(t, box)
	for i, record := range records {
		other := records[(i+1)%len(records)]
		for name, tc := range map[string]struct {
			change func(*Record)
			box    *secret.Box
			want   error
		}{
			"another master key": {func(*Record) {}, newBox(), secret.ErrWrongKey},
			"another row":        {func(r *Record) { r.ID = other.ID }, box, secret.ErrDamaged},
			"another's secret":   {func(r *Record) { r.Sealed = other.Sealed }, box, secret.ErrDamaged},
			"another use":        {func(r *Record) { r.Use = map[Use]Use{UseAccess: UseRefresh, UseRefresh: UseAccess}[r.Use] }, box, secret.ErrDamaged},
			"another algorithm":  {func(r *Record) { r.Algorithm = other.Algorithm }, box, nil},
			"nothing sealed":     {func(r *Record) { r.Sealed = nil }, box, secret.ErrDamaged},
		} {
			changed := record
			tc.change(&changed)
			key, err := Open(changed, tc.box)
			if err == nil || tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("%s, %s: %v, want %v", record.Algorithm, name, err, tc.want)
			}
			if key != (Key{}) {
				t.Errorf("%s, %s: a key comes with the error", record.Algorithm, name)
			}
		}
	}
	_, err := Open(records[0], newBox())
	if !strings.Contains(err.Error(), records[0].ID) || !strings.Contains(err.Error(), "master key") {
		t.Errorf("%q does not tell the operator what to do", err)
	}
}

func TestMakeRefuses(t *testing.T) {
	for _, tc := range []struct {
		use       Use
		algorithm string
	}{{UseAccess, HS256}, {UseAccess, "none"}, {UseAccess, ""}, {UseRefresh, "ES256"}, {UseRefresh, ""}, {"", "ES256"}} {
		if record, key, err := Make(tc.use, tc.algorithm, newBox(), epoch, epoch); err == nil || record.Sealed != nil || key != (Key{}) {
			t.Errorf("a key for %q with %q: %v", tc.use, tc.algorithm, err)
		}
	}
}

func TestZeroKey(t *testing.T) {
	var key Key
	_, publicErr := key.Public()
	_, secretErr := key.Secret()
	_, signerErr := NewSigner(Key{Use: UseAccess})
	if publicErr == nil || secretErr == nil || signerErr == nil {
		t.Error("the zero key does something")
	}
}

// However a key is printed, its private half is not there.
func TestKeyIsMute(t *testing.T) {
	_, keys := made(t, newBox())
	for _, key := range keys {
		for name, text := range printed(t, key) {
			for _, private := range privateForms(key) {
				if strings.Contains(text, private) {
					t.Errorf("%s prints the private half of a key for %s", name, key.Algorithm)
				}
			}
			if !strings.Contains(text, key.ID) {
				t.Errorf("%s does not name the key: %s", name, text)
			}
		}
	}
}

func printed(t *testing.T, key Key) map[string]string {
	t.Helper()
	texts := map[string]string{}
	values := map[string]any{"value": key, "pointer": &key, "inside": struct{ Key Key }{key}, "inside, hidden": struct{ key Key }{key}}
	for name, value := range values {
		for _, verb := range []string{"%v", "%+v", "%#v"} {
			text := fmt.Sprintf(verb, value)
			texts[name+" "+verb] = text
		}
	}
	text, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	texts["json"] = string(text)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("key", "key", key)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("key", "key", key)
	texts["slog"] = log.String()
	return texts
}

// privateForms returns ways in which the private half might be printed.
func privateForms(key Key) []string {
	forms := func(b []byte) []string {
		return []string{hex.EncodeToString(b), strings.Trim(fmt.Sprint(b), "[]"), fmt.Sprintf("%#v", b), new(big.Int).SetBytes(b).String()}
	}
	switch private := key.half.signer.(type) {
	case *ecdsa.PrivateKey:
		d, err := private.Bytes()
		if err != nil {
			panic(err)
		}
		return forms(d)
	case *rsa.PrivateKey:
		return append(forms(private.D.Bytes()), forms(private.Primes[0].Bytes())...)
	case ed25519.PrivateKey:
		return forms(private.Seed())
	}
	return forms(key.half.secret[:])
}

func TestGenerate(t *testing.T) {
	for _, algorithm := range verify.Algorithms() {
		a, err := Generate(algorithm)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verify.NewKey("a", algorithm, a.Public()); err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
	if _, err := Generate("none"); err == nil {
		t.Error("there is a key for none")
	}
}
