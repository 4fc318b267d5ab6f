package why

import (
	"strings"
	"time"

	"github.com/doorward/doorward"
)

// Asker is who opens the page about a denial: where they come from, and whose
// genuine tokens they hold.
type Asker struct {
	Network string // "unknown" where that is not known
	Session string // of a genuine token, over or not; empty for none
	User    string // of an access token that is good now; empty for none
}

// Told is what a caller is told of their own denial.
type Told struct {
	At   time.Time `json:"at"`
	Text []string  `json:"text"` // sentences
}

// Tell returns what an asker may know of a denial, or nil for nothing: then
// they are told what everybody is. Here alone it is decided, by two rules.
//
// Who asks from the network that the request came from, and knows the id, which
// only the answer to that request had, is told about the request itself: what
// they could find out by sending it again and looking closely, such as by how
// much a clock was missed. What the public codes keep from a caller on purpose
// they keep here as well: whether there is such an account, whether a refresh
// token or an API key was ever good.
//
// Who proves that the denied session, or its user, is theirs is also told how
// the session ended.
//
// The private reason is never repeated: it is for the operator, and a guard
// elsewhere may have written it.
func Tell(f Facts, who Asker) *Told {
	r := f.Record
	if r == nil {
		return nil
	}
	near := r.Network == who.Network && who.Network != "" && who.Network != "unknown"
	p := r.Private
	own := f.Session != nil && (p.Session == who.Session || f.User != nil && f.User.ID == who.User) && p.Session == f.Session.ID
	if !near && !own {
		return nil
	}
	t := &Told{At: r.At}
	t.add(ofRequest(r))
	if own {
		t.add(ofEnd(f))
	}
	if len(t.Text) == 0 {
		return nil
	}
	return t
}

func (t *Told) add(text string) {
	if text != "" {
		t.Text = append(t.Text, text)
	}
}

// ofRequest says what was wrong with the request itself, or "" where the page
// of the code says all there is for a caller.
func ofRequest(r *Record) string {
	switch r.Code {
	case doorward.TokenMissing:
		return "No access token reached the service: the Authorization field was not there, or had nothing behind Bearer. If your client sent one, something on the way has taken it out."
	case doorward.TokenInvalid:
		return ofInvalid(r.Private.Check)
	case doorward.TokenExpired:
		if r.Private.By > 0 {
			return "The access token had expired " + Span(r.Private.By) + " before." + ofClock(r)
		}
	case doorward.TokenNotActive:
		if r.Private.By > 0 {
			return "The access token was still " + Span(r.Private.By) + " from being good, by the clock of the service." + ofClock(r) + " Nothing is wrong with your sign-in."
		}
	case doorward.ValidationFailed:
		return ofForeign(r.Private.Check)
	case doorward.StepUpRequired:
		if r.Private.By > 0 {
			return "Your sign-in was " + Span(r.Private.By) + " older than this request allows. Sign in again, and send it once more."
		}
	case doorward.RateLimited:
		return ofLimit(r)
	case doorward.Unavailable:
		return "Nothing was found wrong with you, your token or your session: the service could not find out. You are still signed in."
	}
	return ""
}

// ofClock says what the clock that refused was worth. A token that was refused
// by a wrong clock is a good one.
func ofClock(r *Record) string {
	switch {
	case r.Ahead > 0:
		return " The clock of the service that refused it was " + Span(r.Ahead) + " ahead of the one that issues tokens."
	case r.Ahead < 0:
		return " The clock of the service that refused it was " + Span(r.Ahead) + " behind the one that issues tokens."
	default:
		return ""
	}
}

func ofInvalid(check string) string {
	switch check {
	case "scheme":
		return "The Authorization field did not have the form “Bearer”, a space, and the token."
	case "size", "form", "alphabet", "header", "payload", "crit":
		return "What was sent is no access token: it was cut, something was joined to it, or it is another kind of text, such as a refresh token or the word undefined."
	case "alg", "kid":
		return "The token was signed with a key or in a way that this service does not take: it comes from another server or stage, or the keys were changed since. Sign in again."
	case "signature":
		return "The token names a key of this service, and was not signed with it: it was altered on its way, or put together by somebody."
	default:
		return ""
	}
}

func ofForeign(check string) string {
	switch check {
	case "issuer":
		return "The token is genuine, and another issuer is expected here: the service and its issuer are configured apart."
	case "audience":
		return "The token is genuine, and meant for another service: its audience is not this one."
	case "typ":
		return "The token is genuine, and is no access token: an ID token is for the application that signed you in."
	default:
		return ""
	}
}

func ofLimit(r *Record) string {
	text := map[string]string{
		"limit login":         "There were too many failed sign-ins to one account from your network.",
		"limit login-network": "There were too many failed sign-ins from your network, over all accounts.",
		"limit login-account": "There were too many failed sign-ins in a row. Waiting does not mend that: ask whoever runs the service.",
		"limit signup":        "Too many accounts were made from your network.",
	}[r.Private.Check]
	if text == "" || r.RetryAfter <= 0 {
		return text
	}
	return text + " From " + Stamp(r.At.Add(r.RetryAfter)) + " on it can be tried again; a right password costs nothing."
}

// ofEnd says how the session of the denial ended, to whom it belongs.
func ofEnd(f Facts) string {
	v := f.Session
	switch {
	case v.EndedAt.IsZero() && f.Record.Code == doorward.InvalidRefreshToken:
		return "This sign-in had run out: it was begun " + Span(f.Record.At.Sub(v.StartedAt)) + " before, and last renewed " + Span(f.Record.At.Sub(v.RenewedAt)) + " before. Sign in again."
	case v.EndedAt.IsZero():
		return ""
	}
	text, ok := map[string]string{
		"logout":       "You had signed out on this device",
		"logout_all":   "You had been signed out on all devices",
		"ended":        "This sign-in had been ended from your list of devices",
		"password":     "Your password had been changed, which ends every other sign-in",
		"suspended":    "The account had been suspended",
		"deactivated":  "The account had been deactivated",
		"token_reused": "A copy of this sign-in was used, and so it was ended for whoever holds one",
	}[v.EndReason]
	if !ok {
		text = "This sign-in had been ended"
	}
	if v.EndedBy == "operator" {
		text = strings.TrimSuffix(text, " from your list of devices") + " by an operator"
	}
	return text + ", " + relation(v.EndedAt, f.Record.At) + ". Sign in again."
}
