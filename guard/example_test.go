package guard_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/guard"
)

func Example() {
	g, err := guard.New(guard.Config{
		Issuer:   "https://auth.example.com",
		Audience: []string{"https://api.example.com"},
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /profile", g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "Hello,", guard.PrincipalFrom(r.Context()).Name)
	})))

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/profile", nil))
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	// Output: 401 Bearer realm="doorward"
}

// The private side of a refusal goes to the log; the caller gets its id.
func ExampleConfig_onDenial() {
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "id" {
				return slog.Attr{} // they differ each time
			}
			return a
		},
	}))
	g, err := guard.New(guard.Config{
		Issuer:   "https://auth.example.com",
		Audience: []string{"https://api.example.com"},
		OnDenial: func(r *http.Request, d *doorward.Denial) {
			log.Info("refused", "path", r.URL.Path, "id", d.ID, "code", d.Code, "why", d.Private.Text)
		},
	})
	if err != nil {
		panic(err)
	}
	r := httptest.NewRequest("GET", "/profile", nil)
	r.Header.Set("Authorization", "Bearer undefined")
	g.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
	// Output: level=INFO msg=refused path=/profile code=TOKEN_INVALID why="what was sent is the word undefined"
}

// To close an account takes a scope, and a password or a factor given within
// the last five minutes.
func ExampleGuard_Need() {
	g, err := guard.New(guard.Config{
		Issuer:   "https://auth.example.com",
		Audience: []string{"https://api.example.com"},
	})
	if err != nil {
		panic(err)
	}
	careful := g.Need(guard.Need{Scopes: []string{"account:close"}, MaxAge: 5 * time.Minute})
	mux := http.NewServeMux()
	mux.Handle("DELETE /account", careful(http.NotFoundHandler()))
	// Output:
}

// Scripts of the application's own origin may call the service. The mux is
// wrapped as a whole, because its pattern takes no OPTIONS.
func ExampleGuard_CORS() {
	g, err := guard.New(guard.Config{
		Issuer:         "https://auth.example.com",
		Audience:       []string{"https://api.example.com"},
		AllowedOrigins: []string{"https://app.example.com"},
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /profile", g.Handler(http.NotFoundHandler()))
	handler := g.CORS(mux)

	preflight := httptest.NewRequest("OPTIONS", "/profile", nil)
	preflight.Header.Set("Origin", "https://app.example.com")
	preflight.Header.Set("Access-Control-Request-Method", "GET")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, preflight)
	fmt.Println(w.Code, w.Header().Get("Access-Control-Allow-Origin"))
	// Output: 204 https://app.example.com
}

// A test of a handler needs no guard.
func ExampleWithPrincipal() {
	profile := func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "Hello, ", guard.PrincipalFrom(r.Context()).Name)
	}
	r := httptest.NewRequest("GET", "/profile", nil)
	w := httptest.NewRecorder()
	profile(w, r.WithContext(guard.WithPrincipal(r.Context(), &doorward.Principal{Name: "Anna"})))
	fmt.Println(w.Body)
	// Output: Hello, Anna
}
