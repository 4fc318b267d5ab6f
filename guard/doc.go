// Package guard protects an http.Handler in any Go program: it lets a request
// through that carries a sound access token (RFC 9068, RFC 6750), and answers
// every other one with a denial that tells the caller what to do and the
// operator what happened.
//
//	g, err := guard.New(guard.Config{
//		Issuer:   "https://auth.example.com",
//		Audience: []string{"https://api.example.com"},
//	})
//	mux.Handle("GET /profile", g.Handler(profile))
//	mux.Handle("POST /orders", g.Require("orders:write")(createOrder))
//
// and in a handler
//
//	p := guard.PrincipalFrom(r.Context())
//
// A token is checked with no call to anybody: the issuer's keys are fetched
// once and kept current in the background. What was verified is remembered, so
// that the next request with the same token costs a hash and a look-up; its
// times, its key and its session are looked at every time all the same.
//
// # What is checked
//
// The signature, by a key of the issuer and one of the given algorithms; type,
// issuer, audience and times (package verify); that the session has not ended,
// if the guard is given [Revocations]; and what the route asks for ([Need]).
//
// Without Revocations a token is good until it expires, 15 minutes after it
// was issued unless the issuer is configured otherwise, whether or not its
// user has signed out meanwhile. A [Stream] follows those of a Doorward server,
// by an API key of that server; an ending is then known here in milliseconds.
//
//	stream, err := guard.NewStream(ctx, guard.StreamConfig{
//		Issuer: "https://auth.example.com",
//		APIKey: os.Getenv("API_KEY"),
//	})
//	g, err := guard.New(guard.Config{ …, Revocations: stream})
//
// # Machines
//
// A guard with a Stream takes API keys (dwk_…) beside access tokens, on routes
// that ask for a scope: all that a key may do is in its scopes. A key is asked
// about once and remembered for some minutes; a revoked one ends by the Stream.
// [doorward.Principal] says which of the two it is.
//
// A route that cannot wait for an ending to arrive is strict ([Need]): it asks
// the issuer about every request.
//
// # What cannot be known
//
// A key set that is out of reach proves nothing about a token, nor does a stream
// of revocations that has fallen behind, where it is set to refuse then
// (StreamConfig.RefuseWhenStale). Such a request is not let through, and
// it is not told that its token is bad either: it gets a 503 UNAVAILABLE with
// Retry-After, never a 401, so that no client throws a good session away.
//
// # Who is told why
//
// The caller gets a code. The private side goes to [Config.OnDenial]; a
// [Reporter] there tells it to the server, whose command `doorward why` then
// knows it.
//
// # Browsers
//
// A preflight (OPTIONS with Origin and Access-Control-Request-Method) carries
// no credentials by design. A guard answers it itself, 204, and never lets it
// reach a handler; only with Config.AllowedOrigins does the answer allow
// anything. A http.ServeMux answers OPTIONS with 405 where the pattern names
// another method, before any guard is asked, so there the whole mux is wrapped:
//
//	http.ListenAndServe(":8080", g.CORS(mux))
package guard
