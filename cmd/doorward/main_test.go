package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
)

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// TestOutputThatIsLost: who asked for facts and did not get them must not
// believe that there were none.
func TestOutputThatIsLost(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"version", "--json"}, {"help"}} {
		var stderr bytes.Buffer
		if status := run(context.Background(), args, nil, strings.NewReader(""), brokenWriter{}, &stderr); status != statusRefused {
			t.Errorf("%v: the status is %d", args, status)
		}
		if !strings.Contains(stderr.String(), "standard output: no space left") {
			t.Errorf("%v: %s", args, &stderr)
		}
	}
}

func TestLocalURLs(t *testing.T) {
	for _, test := range []struct{ ip, reach, issuer string }{
		{"127.0.0.1", "http://127.0.0.1:4010", "http://127.0.0.1:4010"},
		{"::1", "http://[::1]:4010", "http://[::1]:4010"},
		{"::", "http://localhost:4010", "http://localhost:4010"},
		{"0.0.0.0", "http://localhost:4010", "http://localhost:4010"},
		{"192.0.2.1", "http://192.0.2.1:4010", "http://localhost:4010"},
	} {
		reach, issuer := localURLs(&net.TCPAddr{IP: net.ParseIP(test.ip), Port: 4010})
		if reach != test.reach || issuer != test.issuer {
			t.Errorf("%s: reached at %s, issuer %s", test.ip, reach, issuer)
		}
	}
}

func TestBareToken(t *testing.T) {
	for text, want := range map[string]string{
		"a.b.c": "a.b.c", " a.b.c\r\n": "a.b.c", "Bearer a.b.c": "a.b.c", "bearer\ta.b.c": "a.b.c", "Bearer: a.b.c": "a.b.c",
		"Authorization: Bearer a.b.c": "a.b.c", `"a.b.c"`: "a.b.c", "'Authorization: Bearer a.b.c'": "a.b.c", "Bearera.b.c": "Bearera.b.c", "Bearer": "Bearer",
	} {
		if got, _ := bareToken(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
