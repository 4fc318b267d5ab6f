package doctor

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

func (c *Case) audienceSaid(w *word) *finding {
	t := c.token
	f := certain("WRONG_AUDIENCE", c.heard(w))
	if c.doorward != "" {
		f.sure = false // the code stands for the issuer and the type too
		f.proof = append(f.proof, "this code is for a wrong issuer or type too: doorward why tells which, or --store here")
	}
	if t == nil {
		f.sure = false
		return f
	}
	f.proof = append(f.proof, "aud is "+list(t.Audience))
	if c.Resource != nil && c.Resource.Resource != "" {
		f.proof = append(f.proof, "the server says that it is "+clip(c.Resource.Resource, 100)+difference(t.Audience, c.Resource.Resource))
	}
	if s := stage(strings.Join(t.Audience, " "), c.Request.URL); s != "" {
		f.proof = append(f.proof, s)
	}
	return f
}

func (c *Case) issuerSaid(w *word) *finding {
	t := c.token
	f := certain("WRONG_ISSUER", c.heard(w))
	if t == nil {
		f.sure = false
		return f
	}
	f.proof = append(f.proof, "iss is "+or(clip(t.Issuer, 120), "missing"))
	if c.Resource != nil && len(c.Resource.Issuers) > 0 {
		f.proof = append(f.proof, "the server trusts "+list(c.Resource.Issuers)+difference([]string{t.Issuer}, c.Resource.Issuers[0]))
	}
	if s := stage(t.Issuer, c.Request.URL); s != "" {
		f.proof = append(f.proof, s)
	}
	return f
}

func list(values []string) string {
	if len(values) == 0 {
		return "missing"
	}
	return clip(strings.Join(values, ", "), 160)
}

// difference tells the kinds of difference that are easily overlooked.
func difference(got []string, want string) string {
	bare := func(s string) string {
		return strings.TrimPrefix(strings.TrimPrefix(s, "http://"), "https://")
	}
	for _, g := range got {
		switch {
		case g == want:
			return ""
		case strings.TrimSuffix(g, "/") == strings.TrimSuffix(want, "/"):
			return " (it differs only by a trailing slash)"
		case bare(g) == bare(want):
			return " (it differs only by http and https)"
		case strings.EqualFold(g, want):
			return " (it differs only by upper and lower case)"
		}
	}
	return ""
}

var stages = []string{"dev", "test", "staging", "stage", "stg", "qa", "uat", "preprod", "sandbox", "prod", "production", "local", "localhost"}

func stageOf(s string) string {
	for _, word := range strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !('a' <= r && r <= 'z' || '0' <= r && r <= '9') }) {
		if slices.Contains(stages, word) {
			return word
		}
	}
	return ""
}

func stage(token, server string) string {
	if a := stageOf(token); a != "" && a != stageOf(server) {
		return fmt.Sprintf("the name has %q in it: the token is of another stage", a)
	}
	return ""
}

// meantFor: what metadata says that the server wants, and what the token has.
func (c *Case) meantFor() []*finding {
	t, r := c.token, c.Resource
	if t == nil || c.outcome != refused || c.status() != 401 {
		return nil
	}
	var found []*finding
	if r != nil && len(r.Issuers) > 0 && t.Issuer != "" && !slices.Contains(r.Issuers, t.Issuer) {
		found = append(found, &finding{cause: "WRONG_ISSUER", sure: c.word == nil && c.keys.fault == nil, proof: []string{"iss is " + clip(t.Issuer, 120), "the server trusts " + list(r.Issuers) + difference([]string{t.Issuer}, r.Issuers[0])}})
	}
	if r != nil && r.Resource != "" && len(t.Audience) > 0 && !slices.Contains(t.Audience, r.Resource) {
		if hostOf(r.Resource) == hostOf(c.Request.URL) || difference(t.Audience, r.Resource) != "" || !containsHost(t.Audience, hostOf(c.Request.URL)) {
			found = append(found, likely("WRONG_AUDIENCE", "aud is "+list(t.Audience), "the server says that it is "+clip(r.Resource, 100)+difference(t.Audience, r.Resource)))
		}
	}
	if len(found) > 0 || c.word != nil || !c.sound() || c.bareChallenge() || c.says(saidMissing) != nil {
		return found
	}
	// Nothing names what the server wants: its own name does, for what is a URL.
	invalid := c.says(saidInvalid) != nil
	if !invalid {
		return found
	}
	for _, a := range t.Audience {
		if d := difference([]string{a}, originOnly(c.Request.URL)); d != "" {
			return append(found, likely("WRONG_AUDIENCE", "aud is "+list(t.Audience)+", and the server is "+originOnly(c.Request.URL)+d))
		}
	}
	if s := stage(t.Issuer, c.Request.URL); s != "" {
		return append(found, likely("WRONG_ISSUER", "iss is "+clip(t.Issuer, 120), s))
	}
	if len(t.Audience) > 0 && strings.Contains(t.Audience[0], "://") && c.keys.genuine && !containsHost(t.Audience, hostOf(c.Request.URL)) {
		found = append(found, likely("WRONG_AUDIENCE", "aud is "+list(t.Audience)+", and the request goes to "+hostOf(c.Request.URL), "signature and times are right"))
	}
	if !t.has("aud") && c.keys.genuine {
		found = append(found, likely("MISSING_CLAIM", "the token has no aud"))
	}
	return found
}

func originOnly(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
