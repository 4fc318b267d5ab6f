// Package client keeps one session fresh in a Go program that calls APIs for
// it: any number of goroutines, and other programs beside, share one sign-in,
// and none of them sees a 401 that could have been mended.
//
//	s, err := client.New(client.Config{Issuer: "https://auth.example.com", Store: client.File(path)})
//	_, err = s.Login(ctx, email, password)
//	resp, err := s.Client().Get("https://auth.example.com/api/profile")
//
// # What it promises
//
//   - A token is renewed ahead: when a third of its life is left, 5 minutes at
//     the most, counted from expiresIn on the monotonic clock. Calls go on with
//     the old one meanwhile.
//   - One renewal serves all goroutines, and all programs that share the store.
//     A caller whose context ends leaves; the renewal goes on, and its answer
//     is saved.
//   - A lost answer signs nobody out, however late it is asked for again: an
//     Idempotency-Key is saved before each refresh and sent until that refresh
//     is settled. The program may be killed at any point of it.
//   - A 401 that a renewal can mend is renewed and sent once more, body
//     included. The second 401 is the caller's. No call is sent more than twice,
//     and none because of a 403.
//   - Only a definite denial of the refresh ends the session, and the program
//     is told once. A network that fails, a 5xx, a 429, a time-out or a page in
//     the issuer's place never do.
//   - A sign-out that the issuer could not be told of is kept, and told when
//     Logout is called again, or before the next Login.
//   - The token goes to the issuer and to [Config].Origins, and nowhere else, by
//     no redirect either. A call that has an Authorization of its own is left
//     alone.
//   - "I do not know" is never a 401: if there is no good token and none can be
//     had for now, the call fails with an [Error] that is Temporary: RATE_LIMITED,
//     or UNAVAILABLE around whatever was answered.
//
// # What it does not
//
// It does nothing while no call is made: there is no goroutine, no timer, and
// nothing to close. A session that nobody uses for longer than its idle life, 7
// days unless the issuer is configured otherwise, is over.
//
// It knows of a sign-out elsewhere when a call is refused or the token is
// renewed, not before. And it cannot keep a secret from who can read the
// program's memory or its files.
package client
