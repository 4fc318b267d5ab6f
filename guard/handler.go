package guard

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/verify"
)

// Need is what a route asks for beside a sound token.
type Need struct {
	// Scopes must all have been granted; none are asked for if there are none.
	Scopes []string

	// MaxAge is how long ago the user may have signed in (RFC 9470): a
	// principal whose AuthTime is longer ago, by more than the leeway that all
	// times have, is asked to sign in again. Zero asks for nothing.
	MaxAge time.Duration

	// Methods are ways of signing in (RFC 8176: "otp", "hwk" …) of which one
	// must have been used; none are asked for if there are none.
	Methods []string

	// Strict asks the issuer about every request, by introspection, instead of
	// relying on what Revocations has told so far: for routes that cannot wait
	// even the moment in which an ending is on its way. Each request then waits
	// for a call to the issuer and a read of its store; where the issuer does not
	// answer within 5 seconds, it is refused with 503. It takes a guard with an
	// [Introspector].
	Strict bool
}

// Handler returns a handler that lets requests with a sound access token
// through to next, with their principal in the context ([PrincipalFrom]), and
// answers all others. It adds nothing to the answers of next but the CORS
// fields that were configured.
func (g *Guard) Handler(next http.Handler) http.Handler { return g.Need(Need{})(next) }

// Require returns a middleware like [Guard.Handler] that asks for scopes too,
// all of them. It panics on what no scope can be (RFC 6749 §3.3).
func (g *Guard) Require(scopes ...string) func(http.Handler) http.Handler {
	return g.Need(Need{Scopes: scopes})
}

// Need returns a middleware like [Guard.Handler] that asks for more. It panics
// on a scope that no scope can be (RFC 6749 §3.3), and on Strict where the guard
// has no [Introspector].
func (g *Guard) Need(n Need) func(http.Handler) http.Handler {
	if n.Strict && g.apiKeys == nil {
		panic("guard: Need.Strict takes a guard with an Introspector, such as a Stream")
	}
	for _, scope := range n.Scopes {
		if !isScope(scope) {
			panic(fmt.Sprintf("guard: %q is not a scope; several scopes are several arguments", scope))
		}
	}
	n.Scopes, n.Methods = slices.Clone(n.Scopes), slices.Clone(n.Methods)
	return func(next http.Handler) http.Handler {
		return g.CORS(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, d := g.check(r, n.Strict)
			if d == nil {
				d = n.Check(p, g.now())
			}
			if d != nil {
				g.Deny(w, r, d)
				return
			}
			next.ServeHTTP(w, r.WithContext(WithPrincipal(r.Context(), p)))
		}))
	}
}

// Check returns why a principal does not meet the need at the time now, or nil.
// Strict is not looked at. An API key is let through only where a scope is asked
// for: all that a key may do is in its scopes, so a route without one is for
// people.
func (n Need) Check(p *doorward.Principal, now time.Time) *doorward.Denial {
	if p.IsKey() && len(n.Scopes) == 0 {
		d := unmet(p, now, doorward.InsufficientScope, doorward.Reason{
			Check: "scope", Text: "an API key was sent to a route that asks for no scope, which is for people",
			Next: "Have the route ask for a scope that the key has, if machines are meant to use it.",
		})
		d.Detail = "The route takes no API keys"
		return d
	}
	if lacking := p.MissingScopes(n.Scopes...); len(lacking) > 0 {
		d := unmet(p, now, doorward.InsufficientScope, doorward.Reason{
			Check: "scope",
			Text:  fmt.Sprintf("the route asks for %q, and %q was granted", n.Scopes, p.Scopes),
			Next:  "Grant the scope to the client or the user, or have the client ask for it, if they are meant to do this.",
		})
		d.Scope = strings.Join(lacking, " ")
		return d
	}
	const stepUp = "Nothing is wrong: the client asks its user to sign in again."
	if age := now.Sub(p.AuthTime); n.MaxAge > 0 && age > n.MaxAge+verify.Leeway {
		reason := doorward.Reason{Check: "auth_time", Text: "the token does not say when its user signed in", Next: stepUp}
		if p.IsKey() {
			reason.Text, reason.Next = "an API key stands for no sign-in", "Have a person do this, or let the route ask for no sign-in."
		}
		if !p.AuthTime.IsZero() {
			reason.Text = fmt.Sprintf("the user signed in %s ago; the route asks for %s at most", age.Round(time.Second), n.MaxAge)
			reason.By = age - n.MaxAge
		}
		return unmet(p, now, doorward.StepUpRequired, reason)
	}
	used := func(method string) bool { return slices.Contains(p.Methods, method) }
	if len(n.Methods) > 0 && !slices.ContainsFunc(n.Methods, used) {
		return unmet(p, now, doorward.StepUpRequired, doorward.Reason{
			Check: "amr", Next: stepUp,
			Text: fmt.Sprintf("the user signed in by %q; the route asks for one of %q", p.Methods, n.Methods),
		})
	}
	return nil
}

func unmet(p *doorward.Principal, now time.Time, code doorward.Code, reason doorward.Reason) *doorward.Denial {
	reason.Token.ID, reason.User, reason.Session = p.TokenID, p.Subject, p.Session
	if p.IsKey() {
		reason.Token.ID, reason.User = p.Subject, ""
	}
	return doorward.NewDenial(code, now, reason)
}

// isScope follows scope-token, RFC 6749 §3.3.
func isScope(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r == '"' || r == '\\' || r > '~'
	})
}

// Deny answers a request with a denial, and tells OnDenial. It is for handlers
// that refuse on their own account, and for programs that call [Guard.Check].
func (g *Guard) Deny(w http.ResponseWriter, r *http.Request, d *doorward.Denial) {
	if g.onDenial != nil {
		g.onDenial(r, d)
	}
	g.cors.Answer(w.Header(), r)
	d.Write(w, g.wire)
}

// CORS returns a handler that answers preflights, and lets the scripts of
// Config.AllowedOrigins read the answers of next. It checks no token. It is for
// a whole http.ServeMux whose patterns name methods; what [Guard.Handler]
// returns does the same for itself.
func (g *Guard) CORS(next http.Handler) http.Handler { return g.cors.Handler(next) }

type principalKey struct{}

// PrincipalFrom returns who the request with this context speaks for, or nil
// where no guard let it through.
func PrincipalFrom(ctx context.Context) *doorward.Principal {
	p, _ := ctx.Value(principalKey{}).(*doorward.Principal)
	return p
}

// WithPrincipal returns a context that [PrincipalFrom] finds p in. It is for
// tests of handlers, and for principals that were not found by a guard.
func WithPrincipal(ctx context.Context, p *doorward.Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}
