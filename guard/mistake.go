package guard

import (
	"slices"
	"strings"
)

// mistake is something that people send in place of a token.
type mistake struct{ text, next string }

// placeholders is what a program sends that has no token and does not notice,
// in lower case.
var placeholders = []string{
	"undefined", "null", "nil", "none", "nan", "true", "false",
	"[object object]", "[object promise]",
	"token", "access_token", "accesstoken", "your_token", "your_token_here", "your-token-here", "your_access_token",
}

// mistakenFor recognises what was sent in place of a token. What it says
// repeats nothing of it but a placeholder.
func mistakenFor(token string) (mistake, bool) {
	word := strings.ToLower(token[:min(len(token), 32)])
	switch {
	case slices.Contains(placeholders, word):
		return mistake{"what was sent is the word " + word,
			"See why the client has no token when it sends the request, and make it send none in that case."}, true
	case strings.HasPrefix(token, "$") || strings.HasPrefix(token, "{{") || strings.HasPrefix(token, "%7B%7B") || isTag(token):
		return mistake{"what was sent is the name of a variable that nobody filled in",
			"Fill in the token where the client's configuration or template names it."}, true
	case hasPrefixFold(token, "Bearer ") || hasPrefixFold(token, "Bearer:"):
		return mistake{"the scheme Bearer is there twice",
			"Have the client put the scheme before the token once: it may be part of what the client stored."}, true
	case strings.HasPrefix(token, "dwr_"):
		return mistake{"a refresh token was sent in place of the access token",
			"Have the client send its access token. The refresh token is for the issuer alone; since it came here, end its session."}, true
	case strings.HasPrefix(token, "dwk_"):
		return mistake{"an API key was sent in place of an access token",
			"Give this guard a Stream, with which it takes API keys, or send the key to a service that does."}, true
	case strings.IndexAny(token, "\"'`<{[") == 0:
		return mistake{"there are quotes, brackets or JSON around the token", sendBearer}, true
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return mistake{"there is white space in the token, or a character that no token has", sendBearer}, true
	case strings.Contains(token, "%"):
		return mistake{"the token is percent-encoded", sendBearer}, true
	}
	return mistake{}, false
}

// isTag reports whether s is <like this>: a gap in an example.
func isTag(s string) bool {
	return strings.HasPrefix(s, "<") && strings.HasSuffix(s, ">") && !strings.Contains(s, ".")
}
