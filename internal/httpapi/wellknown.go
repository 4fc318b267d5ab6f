package httpapi

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// keysMaxAge is how long a verifier may keep the key set. It is far below the
// lead with which a new key is published before it signs.
const keysMaxAge = 5 * time.Minute

// jwks is GET /.well-known/jwks.json (RFC 7517).
func (a *API) jwks(w http.ResponseWriter, _ *http.Request) error {
	publish(w, "application/jwk-set+json", a.auth.Keys().Public().JSON())
	return nil
}

// metadata is GET /.well-known/oauth-authorization-server (RFC 8414) and
// /.well-known/openid-configuration: where the keys are, and what there is.
func (a *API) metadata(w http.ResponseWriter, _ *http.Request) error {
	data, err := json.Marshal(struct {
		Issuer        string   `json:"issuer"`
		KeysURI       string   `json:"jwks_uri"`
		ResponseTypes []string `json:"response_types_supported"`
		GrantTypes    []string `json:"grant_types_supported"`
		Introspection string   `json:"introspection_endpoint"`
		IntrospectBy  []string `json:"introspection_endpoint_auth_methods_supported"`
		Documentation string   `json:"service_documentation"`
	}{
		a.cfg.Issuer, a.cfg.Issuer + "/.well-known/jwks.json",
		[]string{}, []string{}, // there is no authorization endpoint and no token endpoint
		a.cfg.Issuer + "/auth/introspect", []string{"Bearer"}, // an API key
		a.cfg.Issuer + "/errors/",
	})
	if err != nil {
		return err
	}
	publish(w, "application/json", data)
	return nil
}

func publish(w http.ResponseWriter, kind string, data []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(keysMaxAge.Seconds())))
	h.Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data) // a caller that is gone needs no answer
}
