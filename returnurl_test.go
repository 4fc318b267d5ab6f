package doorward

import (
	"net/url"
	"testing"
)

func TestReturnURL(t *testing.T) {
	var file struct {
		Cases []struct {
			Name, Value string
			Safe        bool
		}
	}
	vectors(t, "returns.json", &file)
	if len(file.Cases) == 0 {
		t.Fatal("no cases")
	}
	own, err := url.Parse("https://app.example/login")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			want := "/home"
			if c.Safe {
				want = c.Value
			}
			if got := ReturnURL(c.Value, "/home"); got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
			if to, err := own.Parse(want); err != nil || to.Scheme != own.Scheme || to.Host != own.Host || to.User != nil {
				t.Errorf("%q leads to %v (%v)", want, to, err)
			}
		})
	}
}

// FuzzReturnURL looks whether what is taken stays on its origin when it is
// resolved, decoded and resolved again.
func FuzzReturnURL(f *testing.F) {
	for _, seed := range []string{"/inbox?a=1#b", "//evil.example", "/%2F/x", "/a/..//b", "/%252Fevil.example", "/a%2525", "/\\x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		own, err := url.Parse("https://app.example/login")
		if err != nil {
			t.Fatal(err)
		}
		for next, round := ReturnURL(value, "/"), 0; round < 3; round++ {
			to, err := own.Parse(next)
			if err != nil {
				return // a server that cannot read it leads nowhere
			}
			if to.Scheme != own.Scheme || to.Host != own.Host || to.User != nil {
				t.Fatalf("%q leads to %v", value, to)
			}
			if next, err = url.PathUnescape(to.EscapedPath()); err != nil {
				return
			}
		}
	})
}
