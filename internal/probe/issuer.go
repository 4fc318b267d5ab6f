package probe

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/doorward/doorward/internal/doctor"
)

// issuer reads what the issuer that the token names says of itself.
func (p *Prober) issuer(ctx context.Context, e *doctor.Evidence) {
	name := doctor.IssuerOf(&e.Request)
	if name == "" {
		return
	}
	u, err := url.Parse(name)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return
	}
	u.RawQuery, u.Fragment = "", ""
	is := &e.Issuer
	is.Asked = true
	base := strings.TrimSuffix(u.String(), "/")
	for _, where := range []string{base + "/.well-known/openid-configuration", u.Scheme + "://" + u.Host + "/.well-known/oauth-authorization-server" + strings.TrimSuffix(u.Path, "/")} {
		a := p.ask(ctx, http.MethodGet, where, nil, "")
		is.Metadata = &a
		if a.Fault != "" || a.Status != 404 {
			break
		}
	}
	if is.Metadata.Fault != "" {
		return
	}
	var doc struct {
		Issuer  string   `json:"issuer"`
		Keys    string   `json:"jwks_uri"`
		IDAlgs  []string `json:"id_token_signing_alg_values_supported"`
		AccAlgs []string `json:"access_token_signing_alg_values_supported"`
	}
	if is.Metadata.Status == 200 && json.Unmarshal([]byte(is.Metadata.Body), &doc) == nil {
		is.Name, is.KeysURL, is.Algs = doc.Issuer, doc.Keys, append(doc.AccAlgs, doc.IDAlgs...)
	}
	guess := is.KeysURL == ""
	if guess {
		is.KeysURL = base + "/.well-known/jwks.json"
	}
	if k, err := url.Parse(is.KeysURL); err != nil || k.Scheme != "http" && k.Scheme != "https" {
		return
	}
	a := p.ask(ctx, http.MethodGet, is.KeysURL, nil, "")
	if guess && (a.Fault != "" || a.Status != 200) {
		return // a guess that was wrong says nothing
	}
	is.Keys = &a
	if a.Status == 200 {
		if set, err := doctor.ReadKeySet([]byte(a.Body)); err == nil {
			is.Set = set
		}
	}
}

// resource reads RFC 9728 metadata where the challenge points to it, at the
// server itself.
func (p *Prober) resource(ctx context.Context, e *doctor.Evidence) {
	where := doctor.ResourceMetadata(&e.Hops[len(e.Hops)-1].Answer)
	if where == "" || doctor.Origin(where) != doctor.Origin(e.Request.URL) {
		return
	}
	a := p.ask(ctx, http.MethodGet, where, nil, "")
	var doc struct {
		Resource string   `json:"resource"`
		Issuers  []string `json:"authorization_servers"`
		Scopes   []string `json:"scopes_supported"`
		Methods  []string `json:"bearer_methods_supported"`
	}
	if a.Status == 200 && json.Unmarshal([]byte(a.Body), &doc) == nil {
		e.Resource = &doctor.Resource{Resource: doc.Resource, Issuers: doc.Issuers, Scopes: doc.Scopes, Methods: doc.Methods}
	}
}
