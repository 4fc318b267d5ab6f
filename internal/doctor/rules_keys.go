package doctor

import (
	"fmt"
	"strings"
)

// keyVerdict is what the issuer's keys say of a token.
type keyVerdict struct {
	genuine bool     // signed by a key of the set
	fault   *finding // why it is not
}

// judgeKeys holds the token against the key set of its issuer.
func (c *Case) judgeKeys() keyVerdict {
	t, set := c.token, c.Issuer.Set
	if t == nil || t.JWE || len(t.Parts) != 3 || strings.EqualFold(t.Alg, "none") {
		return keyVerdict{}
	}
	if set == nil {
		return keyVerdict{fault: c.keysFault()}
	}
	if strings.HasPrefix(t.Alg, "HS") {
		return keyVerdict{fault: c.confused()}
	}
	named := set.Keys
	if t.KeyID != "" {
		if named = set.named(t.KeyID); len(named) == 0 {
			return keyVerdict{fault: c.unknownKey()}
		}
	}
	known := false
	for _, k := range named {
		genuine, ok := t.signedBy(k)
		known = known || ok
		if !genuine {
			continue
		}
		if t.KeyID == "" && len(set.Keys) > 1 {
			return keyVerdict{genuine: true, fault: likely("NO_KID", fmt.Sprintf("the token has no kid, and the key set of its issuer has %d keys", len(set.Keys)), "one of them signed it; a verifier that takes none without a kid refuses it")}
		}
		return keyVerdict{genuine: true}
	}
	switch {
	case !known:
		return keyVerdict{}
	case t.KeyID == "" && len(set.Keys) > 1:
		return keyVerdict{fault: likely("NO_KID", fmt.Sprintf("the token has no kid, and the key set of its issuer has %d keys", len(set.Keys)))}
	}
	f := certain("BAD_SIGNATURE", "the issuer's key set has the key "+or(clip(t.KeyID, 60), "(its only one)")+", and the signature is not right by it")
	for _, k := range set.Keys {
		if genuine, _ := t.signedBy(k); genuine {
			f = certain("UNKNOWN_KEY", "the key "+clip(k.ID, 60)+" signed it, and its kid names "+clip(t.KeyID, 60))
		}
	}
	if c.Issuer.Own && t.KeyID == "" {
		f.sure = false // nothing ties the token to that key
	}
	if how := t.altered(); how != "" {
		f.proof = append(f.proof, how)
	}
	return keyVerdict{fault: f}
}

// altered says where it can be seen what was changed after signing.
func (t *Token) altered() string {
	payload, _ := decodePart(t.Parts[1])
	header, _ := decodePart(t.Parts[0])
	spaced := func(b []byte) bool { return strings.Contains(string(b), `": `) || strings.Contains(string(b), "\n") }
	switch {
	case spaced(payload) && !spaced(header):
		return "its payload is written in another style than its header, as where it was changed by hand"
	case spaced(header) && !spaced(payload):
		return "its header is written in another style than its payload, as where it was changed by hand"
	}
	return "which of header, payload and signature was changed cannot be seen"
}

func (c *Case) unknownKey() *finding {
	t := c.token
	var ids []string
	for _, k := range c.Issuer.Set.Keys {
		ids = append(ids, clip(or(k.ID, "(none)"), 40))
	}
	f := certain("UNKNOWN_KEY", fmt.Sprintf("the token is signed by the key %s; the key set of its issuer has %s", clip(t.KeyID, 60), or(strings.Join(ids[:min(len(ids), 6)], ", "), "no key")))
	if c.Issuer.Name != "" && c.Issuer.Name != t.Issuer && t.Issuer != "" {
		f.proof = append(f.proof, "that set is of "+clip(c.Issuer.Name, 100)+", and the token is of "+clip(t.Issuer, 100))
	}
	for _, k := range c.Issuer.Set.Keys {
		if genuine, _ := t.signedBy(k); genuine {
			f.proof = append(f.proof, "its key "+clip(k.ID, 40)+" made the signature all the same: the kid is wrong")
			return f
		}
	}
	f.proof = append(f.proof, "none of its keys made the signature: the key was rotated away, or it is of another tenant")
	if c.Issuer.Own {
		f.sure = false
	}
	return f
}

// keysFault: the key set cannot be had. What cannot be reached from here may be
// reachable for the server.
func (c *Case) keysFault() *finding {
	t, is := c.token, c.Issuer
	if !is.Asked || strings.HasPrefix(t.Alg, "HS") || is.Own {
		return nil
	}
	a, what := is.Keys, "the key set "+shownURL(is.KeysURL)
	if a == nil {
		if a = is.Metadata; a == nil {
			return nil
		}
		what = "the metadata of the issuer"
	}
	switch {
	case a.Kind == FaultName:
		return nil // a name that means nothing here may mean something there
	case a.Fault != "":
		return likely("KEYS_UNREACHABLE", what+" cannot be had: "+a.Fault)
	case is.Keys == nil && a.Status == 404:
		return nil // an issuer without discovery
	case a.Status != 200:
		return likely("KEYS_UNREACHABLE", fmt.Sprintf("%s is answered %d", what, a.Status))
	case strings.Contains(strings.ToLower(a.Body[:min(len(a.Body), 500)]), "<html") || strings.Contains(a.Get("Content-Type"), "html"):
		return likely("KEYS_NOT_JSON", what+" is an HTML page")
	}
	return likely("KEYS_NOT_JSON", what+" is no JSON that could be read as one")
}

func (c *Case) keyRules() *finding {
	t := c.token
	if t == nil || !c.can() {
		return nil
	}
	if f := c.keys.fault; f != nil {
		g := *f
		if c.outcome == refused && (c.word != nil && tokenCause[c.word.means] && c.word.means != g.cause || c.bareChallenge() || c.status() == 403 || c.says(saidMissing) != nil) {
			g.sure = g.sure && g.cause == "ALG_CONFUSED" && c.says(saidInvalid) != nil
			if g.cause == "NO_KID" && c.word != nil && (c.word.means == "UNKNOWN_KEY" || c.word.means == "BAD_SIGNATURE") {
				g.proof = append(g.proof, c.heard(c.word))
				g.sure = c.word.means == "UNKNOWN_KEY"
				return &g
			}
			if (g.cause == "KEYS_UNREACHABLE" || g.cause == "KEYS_NOT_JSON") && c.word != nil && c.word.means == "UNKNOWN_KEY" {
				g.proof = append(g.proof, c.heard(c.word))
				return &g
			}
			if g.cause == "NO_KID" || g.cause == "KEYS_UNREACHABLE" || g.cause == "KEYS_NOT_JSON" {
				return nil
			}
		}
		if c.outcome == notSent && (g.cause == "NO_KID" && c.keys.genuine) {
			return nil
		}
		return c.weak(&g)
	}
	if strings.HasPrefix(t.Alg, "HS") && c.Issuer.Set != nil {
		return c.weak(likely("ALG_NOT_ALLOWED", "the alg of the token is "+t.Alg+", which needs a shared secret; its issuer publishes public keys"))
	}
	return nil
}

// confused: an HMAC made with what is a public key.
func (c *Case) confused() *finding {
	t := c.token
	if t == nil || !strings.HasPrefix(strings.ToUpper(t.Alg), "HS") || c.Issuer.Set == nil {
		return nil
	}
	for _, k := range c.Issuer.Set.Keys {
		if t.confusedWith(k) {
			return certain("ALG_CONFUSED", "the alg of the token is "+t.Alg+", and its secret is the public key "+clip(or(k.ID, "of its issuer"), 60)+": anybody could have made it")
		}
	}
	if t.KeyID != "" {
		for _, k := range c.Issuer.Set.named(t.KeyID) {
			if k.Type != "oct" {
				return likely("ALG_CONFUSED", fmt.Sprintf("the alg of the token is %s, and its kid %s names a public key (%s)", t.Alg, clip(t.KeyID, 60), k.Type))
			}
		}
	}
	return nil
}
