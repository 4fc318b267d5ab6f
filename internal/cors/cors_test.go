package cors

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward"
)

func TestNormalize(t *testing.T) {
	for origin, want := range map[string]string{
		"https://app.example.com":       "https://app.example.com",
		"HTTPS://App.Example.COM:443":   "https://app.example.com",
		"http://localhost:80":           "http://localhost",
		"http://localhost:3000":         "http://localhost:3000",
		"http://localhost:03000":        "http://localhost:3000",
		"https://localhost:80":          "https://localhost:80",
		"http://127.0.0.1:5173":         "http://127.0.0.1:5173",
		"http://[0:0::1]:5173":          "http://[::1]:5173",
		"capacitor://localhost":         "capacitor://localhost",
		"https://xn--bcher-kva.example": "https://xn--bcher-kva.example",
	} {
		if got, err := normalize(origin); got != want || err != nil {
			t.Errorf("normalize(%q) = %q, %v, want %q", origin, got, err, want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for origin, want := range map[string]string{
		"":                                "empty",
		"null":                            "nobody in particular",
		"*":                               "no wildcards",
		"https://*.example.com":           "no wildcards",
		"app.example.com":                 "want scheme://host",
		"localhost:3000":                  "want scheme://host",
		"//app.example.com":               "want scheme://host",
		"https://":                        "want scheme://host",
		"https://a b":                     "want scheme://host",
		"https://app.example.com/":        "write https://app.example.com",
		"https://app.example.com/app":     "write https://app.example.com",
		"https://app.example.com?":        "write https://app.example.com",
		"https://app.example.com#":        "write https://app.example.com",
		"https://u:p@app.example.com:443": "write https://app.example.com",
		"https://bücher.example":          "xn--",
		"https://a,b.example":             "cannot be in a host",
		"https://a.example:0":             "port",
		"https://a.example:65536":         "port",
		"http://[fe80::1%25eth0]":         "zone",
		"https://:443":                    "the host is missing",
	} {
		p, err := New([]string{"https://good.example", origin})
		if err == nil || !strings.Contains(err.Error(), want) || p != nil {
			t.Errorf("New(%q) = %v, want an error with %q", origin, err, want)
		}
	}
	for _, header := range []string{"", "X Y", "*,a", "ü"} {
		if _, err := New(nil, header); err == nil {
			t.Errorf("New takes the header %q", header)
		}
	}
}

func policy(t *testing.T, headers ...string) *Policy {
	t.Helper()
	p, err := New([]string{"https://app.example.com", "http://localhost:3000"}, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// serve sends a request with the given fields, in pairs, and reports whether
// it reached the handler.
func serve(p *Policy, next http.HandlerFunc, method string, fields ...string) (http.Header, int, bool) {
	r := httptest.NewRequest(method, "https://api.example.com/orders", nil)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	reached := false
	w := httptest.NewRecorder()
	p.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached = true
		next(w, r)
	})).ServeHTTP(w, r)
	return w.Result().Header, w.Code, reached
}

func ok(http.ResponseWriter, *http.Request) {}

func TestPreflight(t *testing.T) {
	h, status, reached := serve(policy(t, "X-Tenant"), ok, "OPTIONS", "Origin", "http://localhost:3000",
		"Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "authorization,x-tenant")
	if status != http.StatusNoContent || reached {
		t.Errorf("status %d, reached the handler: %v", status, reached)
	}
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin":      "http://localhost:3000",
		"Access-Control-Allow-Credentials": "true",
		"Access-Control-Max-Age":           "7200",
		"Vary":                             "Origin,Access-Control-Request-Method,Access-Control-Request-Headers",
	} {
		if got := strings.Join(h.Values(name), ","); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for name, want := range map[string][]string{
		"Access-Control-Allow-Methods": {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"},
		"Access-Control-Allow-Headers": {"Authorization", "Content-Type", "Idempotency-Key", "Doorward-Transport", "X-Tenant"},
	} {
		list := ", " + h.Get(name) + ","
		for _, item := range want {
			if !strings.Contains(list, ", "+item+",") {
				t.Errorf("%s lacks %s: %s", name, item, h.Get(name))
			}
		}
	}
}

func TestStrangers(t *testing.T) {
	for name, fields := range map[string][]string{
		"another host":       {"Origin", "https://evil.example"},
		"another scheme":     {"Origin", "http://app.example.com"},
		"another port":       {"Origin", "https://app.example.com:8443"},
		"a longer host":      {"Origin", "https://app.example.com.evil.example"},
		"another case":       {"Origin", "https://APP.example.com"},
		"null":               {"Origin", "null"},
		"empty":              {"Origin", ""},
		"two origins":        {"Origin", "https://app.example.com", "Origin", "http://localhost:3000"},
		"two in one":         {"Origin", "https://app.example.com http://localhost:3000"},
		"no origin":          {},
		"a header-like host": {"Origin", "https://app.example.com\tx"},
	} {
		h, status, reached := serve(policy(t), ok, "GET", fields...)
		if status != http.StatusOK || !reached || h.Get("Vary") != "Origin" {
			t.Errorf("%s: status %d, reached the handler: %v, Vary: %q", name, status, reached, h["Vary"])
		}
		noCORS(t, name, h)
		if len(fields) == 0 {
			continue
		}
		h, status, reached = serve(policy(t), ok, "OPTIONS", append(fields, "Access-Control-Request-Method", "PUT")...)
		if status != http.StatusNoContent || reached || len(h["Vary"]) != 3 {
			t.Errorf("%s, preflight: status %d, reached the handler: %v, Vary: %q", name, status, reached, h["Vary"])
		}
		noCORS(t, name+", preflight", h)
	}
}

func noCORS(t *testing.T, name string, h http.Header) {
	t.Helper()
	for field := range h {
		if strings.HasPrefix(field, "Access-Control-") {
			t.Errorf("%s: the answer has %s", name, field)
		}
	}
}

func TestAllowedOrigin(t *testing.T) {
	h, status, reached := serve(policy(t), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Access-Control-Expose-Headers", "ETag")
		doorward.NewDenial(doorward.TokenMissing, time.Time{}, doorward.Reason{}).Write(w, doorward.Wire{})
	}, "POST", "Origin", "https://app.example.com")
	if status != http.StatusUnauthorized || !reached {
		t.Errorf("status %d, reached the handler: %v", status, reached)
	}
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin":      "https://app.example.com",
		"Access-Control-Allow-Credentials": "true",
		"Access-Control-Expose-Headers":    doorward.ExposedHeaders + "|ETag",
		"Access-Control-Allow-Methods":     "",
		"Vary":                             "Origin",
	} {
		if got := strings.Join(h.Values(name), "|"); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestOptionsThatIsNoPreflight(t *testing.T) {
	for _, fields := range [][]string{
		{},
		{"Origin", "https://app.example.com"},
		{"Access-Control-Request-Method", "PUT"},
	} {
		if _, _, reached := serve(policy(t), ok, "OPTIONS", fields...); !reached {
			t.Errorf("OPTIONS with %q does not reach the handler", fields)
		}
	}
	if _, _, reached := serve(policy(t), ok, "GET", "Origin", "https://app.example.com", "Access-Control-Request-Method", "PUT"); !reached {
		t.Error("GET is taken for a preflight")
	}
}

// Where one handler is inside another, the fields are there once.
func TestTwice(t *testing.T) {
	p := policy(t)
	for _, method := range []string{"GET", "OPTIONS"} {
		fields := []string{"Origin", "https://app.example.com", "Access-Control-Request-Method", "PUT"}
		once, _, _ := serve(p, ok, method, fields...)
		twice, _, _ := serve(p, p.Handler(http.HandlerFunc(ok)).ServeHTTP, method, fields...)
		for name := range once {
			if len(once[name]) != len(twice[name]) {
				t.Errorf("%s, %s: %q, then %q", method, name, once[name], twice[name])
			}
		}
	}
}

func TestZero(t *testing.T) {
	var p Policy
	h, status, reached := serve(&p, ok, "OPTIONS", "Origin", "https://app.example.com", "Access-Control-Request-Method", "PUT")
	if status != http.StatusNoContent || reached || len(h) != 0 {
		t.Errorf("status %d, reached the handler: %v, %v", status, reached, h)
	}
	if h, _, reached := serve(&p, ok, "GET", "Origin", "https://app.example.com"); !reached || len(h) != 0 {
		t.Errorf("reached the handler: %v, %v", reached, h)
	}
}
