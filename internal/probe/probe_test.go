package probe

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/doctor"
)

// watched is a server that keeps what it was asked.
type watched struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string
}

func watch(t *testing.T, answer http.HandlerFunc) *watched {
	w := &watched{}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.seen = append(w.seen, fmt.Sprint(r.Method, " ", r.URL, " ", r.Header))
		w.mu.Unlock()
		answer(rw, r)
	}))
	t.Cleanup(w.Close)
	return w
}

func gather(t *testing.T, method, url string, lines ...string) *doctor.Evidence {
	t.Helper()
	r, err := doctor.NewRequest(method, url, lines, "")
	if err != nil {
		t.Fatal(err)
	}
	e := &doctor.Evidence{Now: time.Now(), Request: *r}
	p := &Prober{Now: time.Now}
	p.Gather(t.Context(), e)
	return e
}

const canary = "c4n4ryc4n4ryc4n4ry"

// TestTheCredentialStaysAtItsOrigin: a redirect is followed without it, and not
// at all where the URL would carry it.
func TestTheCredentialStaysAtItsOrigin(t *testing.T) {
	other := watch(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) })
	for _, suffix := range []string{"", "?access_token=" + canary} {
		first := watch(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+"/x"+suffix, http.StatusFound)
		})
		for _, line := range []string{"Authorization: Bearer " + canary, "X-API-Key: " + canary, "Cookie: sid=" + canary} {
			e := gather(t, "", first.URL+"/x", line)
			if d := doctor.Diagnose(e); strings.Contains(d.Text(), canary) {
				t.Errorf("%s: it is told", line)
			}
		}
	}
	if len(other.seen) != 3 {
		t.Errorf("the other origin was asked %d times, want 3", len(other.seen))
	}
	for _, s := range other.seen {
		if strings.Contains(s, canary) {
			t.Errorf("the credential is at another origin: %s", s)
		}
	}
}

// TestUnsafeMethodsAreNotSent unless that is asked for.
func TestUnsafeMethodsAreNotSent(t *testing.T) {
	server := watch(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) })
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "PURGE"} {
		gather(t, method, server.URL, "Authorization: Bearer "+canary)
	}
	for _, s := range server.seen {
		if !strings.HasPrefix(s, "GET ") {
			t.Errorf("sent %s", strings.Fields(s)[0])
		}
	}
	if len(server.seen) == 0 {
		t.Error("nothing was sent at all")
	}
}
