package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorward/doorward"
)

// Config says whose session it is and where its token may go. The zero value
// of every field but Issuer is a sound default.
type Config struct {
	// Issuer is the URL of the Doorward server, without a path: https, or http
	// on a loopback address. Required.
	Issuer string
	// Origins are the servers that the token is for, beside the issuer:
	// "https://api.example.com". Empty means the issuer only.
	Origins []string
	// Store keeps the session. Nil means Memory(): it ends with the program.
	Store Store
	// Transport carries the calls, and what is asked of the issuer. Nil means
	// http.DefaultTransport.
	Transport http.RoundTripper
	// Timeout bounds one request to the issuer. Zero means 10 seconds. It should
	// stay well under the time in which tokens are renewed twice.
	Timeout time.Duration
	// UserAgent names the program in its user's list of devices. Empty means
	// Go's own.
	UserAgent string

	// OnEnd is called once, on a goroutine of its own, when the session ends
	// without this program having asked for it. The error has the code. Nil
	// means that nobody is; calls fail with the same error.
	OnEnd func(*Error)
	// OnFault is called once, on a goroutine of its own, when the store begins to
	// fail. The session goes on in memory. Nil means that nobody is.
	OnFault func(error)
}

// User is whose session it is.
type User struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	Name  string `json:"name"`
}

const defaultTimeout = 10 * time.Second

// farewell is how long a sign-in waits for the issuer to hear of the sign-out
// before it.
const farewell = 3 * time.Second

// Session is one sign-in, kept fresh. It is safe for concurrent use, and needs
// no closing.
type Session struct {
	issuer  issuer
	origins origins
	base    http.RoundTripper
	store   Store
	onEnd   func(*Error)
	now     func() time.Time

	// current is the token that calls use. Nil: look at the store.
	current atomic.Pointer[grant]

	looking, renewing single

	// keep makes one step of changing the record and going by it, so that no
	// late answer is gone by after a newer one.
	keep  sync.Mutex
	shelf *shelf
	line  string // of the session that the program takes for its own
	over  *Error // why there is none

	mu       sync.Mutex
	earliest time.Time // no renewal begins before
	failures int       // in a row
	failure  error     // of the last renewal
	mended   *grant    // the last one that was got because of a 401
	mendedAt time.Time
}

// New returns a session as its store has it. It neither reads the store nor
// asks the issuer; both happen on the first call.
func New(c Config) (*Session, error) {
	first, err := parseOrigin("issuer", c.Issuer)
	if err != nil {
		return nil, err
	}
	all := origins{first}
	for _, text := range c.Origins {
		o, err := parseOrigin("origin", text)
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	if c.Timeout < 0 {
		return nil, fmt.Errorf("client: a timeout of %s", c.Timeout)
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Store == nil {
		c.Store = Memory()
	}
	if c.Transport == nil {
		c.Transport = http.DefaultTransport
	}
	return &Session{
		issuer: newIssuer(c), origins: all, base: c.Transport, store: c.Store, onEnd: c.OnEnd, now: time.Now,
		shelf: &shelf{store: c.Store, onFault: c.OnFault},
	}, nil
}

// Login signs in, and puts the new session into the place of whatever the store
// had. A session that goes on there is not ended, for which there is Logout; one
// that was signed out of while the issuer was out of reach is: the issuer is told
// first, for 3 seconds at the most, and if that fails the sign-in goes on. Errors
// are *Error, with code INVALID_CREDENTIALS, RATE_LIMITED and so on. It is not
// tried again: whoever does may sign in twice.
func (s *Session) Login(ctx context.Context, email, password string) (User, error) {
	s.tellOfSignOut(ctx)
	sent := s.now()
	t, err := s.issuer.login(ctx, email, password)
	if err != nil {
		return User{}, err
	}
	if t.refresh == "" {
		return User{}, unavailable("the issuer answered with no refresh token", nil)
	}
	next := record{Issuer: s.issuer.url, Line: rand.Text()}.with(t, sent)
	s.keep.Lock()
	defer s.keep.Unlock()
	if !s.replace(next.text()) {
		return User{}, errBusy
	}
	s.adopt(held{rec: next}, sent)
	s.settled(nil)
	return next.User, nil
}

// tellOfSignOut tells the issuer of a sign-out that it has not heard of. This is
// the last chance: the sign-in takes the place of the token that proves it.
func (s *Session) tellOfSignOut(ctx context.Context) {
	s.keep.Lock()
	h, err := s.load()
	s.keep.Unlock()
	if err != nil || !h.rec.left(s.issuer.url) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	_ = s.signOut(ctx, "/auth/logout", h) // a person who can sign in must not be kept from it
}

// replace puts a record where there may be any. The caller holds s.keep.
func (s *Session) replace(next []byte) bool {
	for range maxLost {
		old, err := s.shelf.load()
		if err != nil {
			old = nil // it cannot be read; perhaps it can be written
		}
		if s.shelf.swap(old, next) {
			return true
		}
	}
	return false
}

// Logout ends the session at the issuer, and here first of all: from the moment
// it is called no call uses the token any more. If the issuer is out of reach,
// it returns an error that is Temporary; call it again, also after a restart,
// and the issuer is asked again. So it is by the next Login. If the store cannot
// be read, the error says so, and only this program has forgotten the session, for
// as long as that lasts. To be signed out already is no error.
func (s *Session) Logout(ctx context.Context) error { return s.logout(ctx, "/auth/logout") }

// LogoutAll is Logout for all sessions of the user. If it fails, it must be called
// again: the next Login tells the issuer of the end of this session only.
func (s *Session) LogoutAll(ctx context.Context) error { return s.logout(ctx, "/auth/logout/all") }

func (s *Session) logout(ctx context.Context, path string) error {
	h, err := s.leave()
	if err != nil || h.raw == nil {
		return err
	}
	return s.signOut(ctx, path, h)
}

// signOut tells the issuer of a sign-out, and then forgets it.
func (s *Session) signOut(ctx context.Context, path string, h held) error {
	err := s.issuer.logout(ctx, path, h.rec.RefreshToken, h.rec.Attempt)
	var e *Error
	if errors.As(err, &e) && denied(e) {
		err = nil // it was over before
	}
	if err != nil {
		return err
	}
	s.keep.Lock()
	defer s.keep.Unlock()
	s.shelf.swap(h.raw, nil) // unless somebody has signed in meanwhile
	return nil
}

// leave marks the record as signed out, and returns it if there is a session
// that the issuer should be told of. The program forgets the session before the
// store is asked, which may take its time or fail. A renewal that is under way finds that the
// record is not the one it began with, and drops its answer; its token ends
// with the session.
func (s *Session) leave() (held, error) {
	s.keep.Lock()
	defer s.keep.Unlock()
	s.current.Store(nil)
	s.line = "" // the program asked for it, and need not be told
	for range maxLost {
		h, err := s.load()
		if err != nil {
			return held{}, err
		}
		if h.rec.left(s.issuer.url) {
			s.adopt(h, time.Time{})
			return h, nil
		}
		if !h.rec.live(s.issuer.url) {
			s.adopt(h, time.Time{})
			return held{}, nil
		}
		next := h.rec
		next.Left = true
		marked := held{next.text(), next}
		if s.shelf.swap(h.raw, marked.raw) {
			s.adopt(marked, time.Time{})
			return marked, nil
		}
	}
	return held{}, errBusy
}

// Renew renews the token now, whatever its age. Programs need not call it.
func (s *Session) Renew(ctx context.Context) error {
	g, err := s.have(ctx)
	if err != nil {
		return err
	}
	_, err = s.begin(g, true).wait(ctx)
	return err
}

// AccessToken returns a token for what cannot be sent through Transport, and
// when to ask for it again; the zero time means that nobody knows. It renews the
// token if it must, and returns an *Error if there is none to be had: one that
// is Temporary, or one with the code by which the session ended.
func (s *Session) AccessToken(ctx context.Context) (token string, until time.Time, err error) {
	g, err := s.usable(ctx)
	if err != nil {
		return "", time.Time{}, err
	}
	return g.token, g.until(s.now()), nil
}

// User returns whose session it is, or an *Error if there is none. It asks
// nobody but the store.
func (s *Session) User(ctx context.Context) (User, error) {
	g, err := s.have(ctx)
	if err != nil {
		return User{}, err
	}
	return g.user, nil
}

// String names the session and shows no token.
func (s *Session) String() string { return "client.Session(" + s.issuer.url + ")" }

// GoString is String.
func (s *Session) GoString() string { return s.String() }

// nobody is why there is no session where nobody has signed in.
func nobody(detail string) *Error {
	return &Error{Code: doorward.RefreshTokenMissing, Detail: detail}
}
