package guard

import (
	"net/http/httptest"
	"testing"

	"github.com/doorward/doorward"
)

func TestSocketToken(t *testing.T) {
	i := newIssuer(t)
	g := i.guard(t)
	token := i.token(t)
	for _, tc := range []struct {
		name      string
		upgrade   string
		protocols []string
		auth      string
		want      doorward.Code
	}{
		{name: "alone", upgrade: "websocket", protocols: []string{"doorward.bearer, " + token}},
		{name: "among others", upgrade: "WebSocket", protocols: []string{"chat.v2, doorward.bearer,\t" + token + " , chat.v1"}},
		{name: "in two fields", upgrade: "websocket", protocols: []string{"doorward.bearer", token}},
		{name: "no handshake", protocols: []string{"doorward.bearer, " + token}, want: doorward.TokenMissing},
		{name: "another upgrade", upgrade: "h2c", protocols: []string{"doorward.bearer, " + token}, want: doorward.TokenMissing},
		{name: "no token", upgrade: "websocket", protocols: []string{"chat, doorward.bearer"}, want: doorward.TokenMissing},
		{name: "a token by itself", upgrade: "websocket", protocols: []string{token}, want: doorward.TokenMissing},
		{name: "a bad one", upgrade: "websocket", protocols: []string{"doorward.bearer, " + token + "x"}, want: doorward.TokenInvalid},
		{name: "the field comes first", upgrade: "websocket", protocols: []string{"doorward.bearer, " + token}, auth: "Bearer x", want: doorward.TokenInvalid},
	} {
		r := httptest.NewRequest("GET", "/socket", nil)
		if tc.upgrade != "" {
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set("Upgrade", tc.upgrade)
		}
		for _, p := range tc.protocols {
			r.Header.Add("Sec-WebSocket-Protocol", p)
		}
		if tc.auth != "" {
			r.Header.Set("Authorization", tc.auth)
		}
		if _, d := g.Check(r); codeOf(d) != tc.want {
			t.Errorf("%s: %v, want %q", tc.name, d, tc.want)
		}
	}
}
