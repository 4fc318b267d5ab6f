package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/doorward/doorward/doorwardtest"
)

func TestResourceServer(t *testing.T) {
	auth := doorwardtest.New(t)
	handler, err := newHandler(t.Context(), auth.URL, auth.Audience, "")
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(handler)
	t.Cleanup(api.Close)
	alice := auth.Login(t, "alice")

	for _, tc := range []struct {
		path, authorization string
		status              int
		code, message       string
	}{
		{"/api/profile", "Bearer " + alice.AccessToken, 200, "", "Profile data"},
		{"/api/protected", "Bearer " + alice.AccessToken, 200, "", "Access granted"},
		{"/api/profile", "", 401, "TOKEN_MISSING", "The request carries no access token"},
		{"/api/profile", "Bearer " + alice.AccessToken + "x", 401, "TOKEN_INVALID", "The access token is not valid"},
		{"/api/profile", "Bearer " + alice.RefreshToken, 401, "TOKEN_INVALID", "The access token is not valid"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, api.URL+tc.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if tc.authorization != "" {
			req.Header.Set("Authorization", tc.authorization)
		}
		resp, err := api.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var body struct {
			Code, Message string
			User          struct{ Email string }
		}
		if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tc.status || body.Code != tc.code || body.Message != tc.message {
			t.Errorf("%s with %.12q: %d %+v, want %d %s %q", tc.path, tc.authorization, resp.StatusCode, body, tc.status, tc.code, tc.message)
		}
		if tc.status == 200 && body.User.Email != "alice@example.com" {
			t.Errorf("user %q", body.User.Email)
		}
	}
}

// With an API key, an ending is known here within a second, and machines are
// let in.
func TestWithAPIKey(t *testing.T) {
	auth := doorwardtest.New(t)
	handler, err := newHandler(t.Context(), auth.URL, auth.Audience, auth.APIKey(t, "doorward:revocations", "doorward:introspect"))
	if err != nil {
		t.Fatal(err)
	}
	status := func(path, credential string) int {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Authorization", "Bearer "+credential)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Code
	}
	eventually := func(what, path, credential string, want int) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); status(path, credential) != want; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d, want %d", what, status(path, credential), want)
			}
		}
	}
	alice := auth.Login(t, "alice")
	eventually("signed in", "/api/profile", alice.AccessToken, 200)
	auth.End(t, alice)
	eventually("ended", "/api/profile", alice.AccessToken, 401)

	reports := auth.APIKey(t, "reports:read")
	eventually("a machine", "/api/reports", reports, 200)
	eventually("a machine at a route for people", "/api/profile", reports, 403)
	auth.RevokeAPIKey(t, reports)
	eventually("a machine that is let in no more", "/api/reports", reports, 401)
}
