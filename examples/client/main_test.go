package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorward/doorward/doorwardtest"
)

func TestClient(t *testing.T) {
	auth := doorwardtest.New(t)
	alice := auth.Login(t, "alice") // makes the account
	base := []string{"-issuer", auth.URL, "-path", "/auth/me", "-session", filepath.Join(t.TempDir(), "session.json")}
	for _, step := range []struct {
		name     string
		args     []string
		password string
		out, err string
	}{
		{"before", nil, "", "", "not signed in; use -login EMAIL (REFRESH_TOKEN_MISSING)"},
		{"a wrong password", []string{"-login", "alice@example.com"}, "a wrong password", "", "the address or the password is wrong"},
		{"signing in", []string{"-login", "alice@example.com"}, doorwardtest.Password, "alice@example.com", ""},
		{"another start", nil, "", "alice@example.com", ""},
		{"when the token has expired", nil, "", "alice@example.com", ""},
		{"a route that is not there", []string{"-path", "/auth/none"}, "", "", "NOT_FOUND"},
		{"signing out", []string{"-logout"}, "", "", ""},
		{"after", nil, "", "", "not signed in"},
	} {
		var out strings.Builder
		err := run(t.Context(), append(base, step.args...), step.password, &out)
		if !strings.Contains(out.String(), step.out) || step.err == "" && err != nil || step.err != "" && (err == nil || !strings.Contains(err.Error(), step.err)) {
			t.Errorf("%s: %q, %v; want %q, %q", step.name, &out, err, step.out, step.err)
		}
		if step.name == "another start" {
			auth.Expire(t, alice) // from here on the token is refused, and renewed
		}
	}
}
