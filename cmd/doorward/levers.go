package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/guard"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/httpapi"
	"github.com/doorward/doorward/internal/signing"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/server"
)

// levers are the routes by which the demo makes real what happens to sessions
// in the world. Only doorward dev has them. A page of another origin gets
// nowhere; what is about a session is done to the caller's own, and what is
// about an account to the one that everybody can sign in as.
type levers struct {
	srv     *server.Server
	config  server.Config // of the server
	restart func()
}

func (l *levers) handler() http.Handler {
	mux := http.NewServeMux()
	guarded := func(h http.HandlerFunc) http.Handler { return l.srv.Guard().Handler(h) }
	mux.Handle("POST /dev/expire", guarded(l.expire))
	mux.Handle("POST /dev/copy", guarded(l.copyToken))
	mux.Handle("POST /dev/suspend", guarded(l.suspend))
	mux.HandleFunc("POST /dev/activate", l.activate)
	mux.HandleFunc("POST /dev/restart", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		l.restart() // which lets this answer finish
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		l.refuse(w, doorward.BadInput(doorward.NotFound, "", ""))
	})
	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		l.refuse(w, doorward.NewDenial(doorward.CrossOrigin, l.config.Now(), doorward.Reason{}))
	}))
	return sameOrigin.Handler(mux)
}

// expire answers with an access token of the caller's own session that was
// issued so long ago that it expired a minute ago, like the one that a laptop
// wakes up with.
func (l *levers) expire(w http.ResponseWriter, r *http.Request) {
	p := guard.PrincipalFrom(r.Context())
	now := l.config.Now()
	expired := now.Add(-time.Minute)
	issued := expired.Add(p.IssuedAt.Sub(p.ExpiresAt))
	var token string
	err := l.operate(r.Context(), func(stories *auth.Auth) (err error) {
		if err := stories.Keys().Load(r.Context()); err != nil {
			return err
		}
		token, err = stories.Keys().Sign(signing.Claims{
			Issuer: l.config.Issuer, Subject: p.Subject, Audience: p.Audience,
			IssuedAt: issued, ExpiresAt: expired,
			ID: ulid.New(issued).String(), Session: p.Session, Client: p.Client,
			Scopes: p.Scopes, AuthTime: p.AuthTime, Methods: p.Methods, Email: p.Email, Name: p.Name,
		}, now)
		return err
	})
	if err != nil {
		l.unavailable(w, err)
		return
	}
	answer(w, map[string]string{"accessToken": token})
}

// copyToken answers with the refresh token of the caller's own cookie, which no
// script can read: it plays whoever reads the browser's files.
func (l *levers) copyToken(w http.ResponseWriter, r *http.Request) {
	cookie, err := r.Cookie(httpapi.CookieName)
	if err != nil {
		l.refuse(w, doorward.NewDenial(doorward.RefreshTokenMissing, l.config.Now(), doorward.Reason{}))
		return
	}
	answer(w, map[string]string{"refreshToken": cookie.Value})
}

// suspend does to the account of dev what an operator does by
// "doorward user suspend". Its sessions end, the caller's among them, so
// activate asks for none.
func (l *levers) suspend(w http.ResponseWriter, r *http.Request) {
	if guard.PrincipalFrom(r.Context()).Email != devEmail {
		l.refuse(w, doorward.BadInput(doorward.InvalidRequest, "", "Only "+devEmail+" is suspended from here: no other account could be activated again"))
		return
	}
	l.setAccount(r.Context(), w, func(stories *auth.Auth) error {
		_, err := stories.Suspend(r.Context(), devEmail)
		return err
	})
}

func (l *levers) activate(w http.ResponseWriter, r *http.Request) {
	l.setAccount(r.Context(), w, func(stories *auth.Auth) error {
		_, err := stories.Activate(r.Context(), devEmail)
		return err
	})
}

func (l *levers) setAccount(ctx context.Context, w http.ResponseWriter, story func(*auth.Auth) error) {
	if err := l.operate(ctx, story); err != nil {
		l.unavailable(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// operate gives fn the stories as an operator's command beside the server has
// them.
func (l *levers) operate(ctx context.Context, fn func(*auth.Auth) error) error {
	stories, done, err := server.Operate(ctx, l.config)
	if err != nil {
		return err
	}
	defer done()
	return fn(stories)
}

func (l *levers) unavailable(w http.ResponseWriter, err error) {
	l.config.Log.Error("a lever of the demo does not work", "error", err)
	l.refuse(w, doorward.NewDenial(doorward.Unavailable, l.config.Now(), doorward.Reason{}))
}

func (l *levers) refuse(w http.ResponseWriter, d *doorward.Denial) {
	d.Write(w, doorward.Wire{Issuer: l.config.Issuer})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v) // a caller that is gone needs no answer
}

// loseHeader marks a request whose answer is to be lost.
const loseHeader = "Doorward-Dev"

// losing acts on requests that ask for it and keeps the answer, its cookie with
// it, to itself. A script could drop the answer too, but not the cookie: that
// the browser would have taken.
func losing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(loseHeader) != "lose-answer" {
			next.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(&unsent{header: http.Header{}}, r.WithContext(context.WithoutCancel(r.Context())))
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
	})
}

// unsent takes an answer that nobody gets.
type unsent struct{ header http.Header }

func (u *unsent) Header() http.Header         { return u.header }
func (u *unsent) WriteHeader(int)             {}
func (u *unsent) Write(b []byte) (int, error) { return len(b), nil }
