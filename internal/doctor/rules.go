package doctor

// rule looks at a case for one family of causes.
type rule struct {
	name  string
	judge func(*Case) []*finding
}

func one(judge func(*Case) *finding) func(*Case) []*finding {
	return func(c *Case) []*finding { return []*finding{judge(c)} }
}

// rules stand in the order in which things are mended; the first that finds
// something names the cause, and the others what else is wrong.
var rules = []rule{
	// In the browser: the request, or its answer, never got through.
	{"browser: preflight", one((*Case).preflightRefused)},
	{"browser: CORS", one((*Case).corsAnswer)},
	{"browser: socket", one((*Case).socket)},
	{"browser: cookies", (*Case).cookies},
	{"recording: what the browser kept", one((*Case).stored)},
	{"recording: stale token", one((*Case).stale)},

	// On the way.
	{"way: redirects", (*Case).redirects},
	{"way: transport", one((*Case).transport)},

	// Refused for something else than identity.
	{"way: size", one((*Case).tooLarge)},
	{"way: limits and policies", one((*Case).policy)},
	{"browser: CSRF", one((*Case).csrf)},
	{"way: no route", one((*Case).noRoute)},

	{"way: another service", one((*Case).otherService)},
	{"way: a proxy's own sign-in", one((*Case).interposed)},

	// A sign-in, or a token endpoint.
	{"sign-in", (*Case).signIns},

	// Other answers to the same request.
	{"way: replicas and caches", one((*Case).disagree)},

	// The credential as it was written and where it was put.
	{"credential: .netrc", one((*Case).netrc)},
	{"credential: its form", one((*Case).credentialForm)},
	{"credential: DPoP", (*Case).dpop},
	{"credential: signed requests", one((*Case).requestSignature)},
	{"credential: its place", one((*Case).misplaced)},
	{"credential: its scheme", one((*Case).schemeWrong)},

	// Identified, and not allowed.
	{"identified", (*Case).identified},

	// The token by itself, by the server's words, and by its issuer's keys.
	{"token: what it is", (*Case).tokenKind},
	{"token: a Doorward's own record", one((*Case).ownRecord)},
	{"token: what the server says", one((*Case).outright)},
	{"token: times", (*Case).times},
	{"token: keys", one((*Case).keyRules)},
	{"token: whom it is for", (*Case).meantFor},
	{"token: claims", one((*Case).claims)},

	// Nothing is wrong with what was sent.
	{"way: cached", one((*Case).cached)},
	{"way: another host", one((*Case).wrongHost)},
	{"way: stripped", one((*Case).stripped)},
	{"credential: key", one((*Case).keyRefused)},
	{"credential: opaque", one((*Case).opaque)},
	{"way: a proxy answered", one((*Case).proxyAnswered)},
	{"way: handler", one((*Case).handlerNotRun)},

	{"browser: nothing included", one((*Case).notIncluded)},
	{"credential: none", one((*Case).noCredentials)},
	{"challenge: none", one((*Case).challengeMissing)},
}

const noChallenge Cause = "NO_CHALLENGE"

func (c *Case) challengeMissing() *finding {
	if c.answer == nil || c.answer.Status != 401 || c.answer.has("WWW-Authenticate") || c.Redacted {
		return nil
	}
	return certain(noChallenge, "the 401 has no WWW-Authenticate, which RFC 9110 §15.5.2 wants")
}
