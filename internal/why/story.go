package why

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward"
)

// Story tells what is known of a denial, from the sign-in to what to do next,
// for a person at a terminal.
func Story(f Facts, now time.Time) string {
	s := &story{now: now}
	if f.Record == nil {
		s.counted(f)
		return s.String()
	}
	r := f.Record
	s.line("", "%s  %s (%d)", r.ID, r.Code, r.Status)
	s.line("", "The caller was told: %s.", strings.TrimSuffix(Printable(r.Detail), "."))
	s.line("", "")
	s.request(r)
	s.reason(r, f)
	s.session(f)
	s.account(f)
	s.events(f)
	s.next(r)
	return s.String()
}

// story is text in two columns: what a line is about, and what there is to say.
type story struct {
	strings.Builder
	now  time.Time
	last string
}

const column = 10

func (s *story) line(about, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if about == "" && s.last == "" {
		s.WriteString(text + "\n")
		return
	}
	label := about
	if about == s.last {
		label = ""
	}
	s.last = about
	fmt.Fprintf(s, "%-*s%s\n", column, label, text)
}

func (s *story) when(t time.Time) string { return Stamp(t) + " (" + Ago(t, s.now) + ")" }

func (s *story) request(r *Record) {
	s.line("When", "%s", s.when(r.At))
	s.line("Request", "%s %s from %s", Printable(r.Method), Printable(r.Path), r.Network)
	if r.Agent != "" {
		s.line("Request", "by what calls itself %s", Printable(r.Agent))
	}
	switch {
	case r.Key != "":
		s.line("Node", "%s, a guard that reports with the API key %q", or(r.Node, "a guard without a name"), r.Key)
	case r.Node != "":
		s.line("Node", "%s", Printable(r.Node))
	}
	if r.Ahead != 0 {
		s.line("Clock", "the clock of %s was %s this server's; the times here are by this server's", or(r.Node, "that guard"), aheadOf(r.Ahead))
	}
}

func aheadOf(d time.Duration) string {
	if d < 0 {
		return Span(d) + " behind"
	}
	return Span(d) + " ahead of"
}

func (s *story) reason(r *Record, f Facts) {
	p := r.Private
	s.line("Check", "%s", Printable(p.Check))
	s.line("Cause", "%s", Printable(p.Text))
	if p.By != 0 {
		s.line("Cause", "missed by %s", exact(p.By))
	}
	if r.RetryAfter > 0 && r.Code == doorward.RateLimited {
		s.line("Limit", "lifts %s", s.when(r.At.Add(r.RetryAfter)))
	}
	if t := tokenText(p.Token); t != "" {
		s.line("Token", "%s", t)
	}
	// A session or an account that the store does not know is a name in a
	// token and nothing more.
	if p.User != "" && f.User == nil {
		s.line("User", "%s, which is not in the store", Printable(p.User))
	}
	if p.Session != "" && f.Session == nil {
		s.line("Session", "%s, which is not in the store: it is long over, or it never was", Printable(p.Session))
	}
}

// exact keeps the milliseconds where they decide: at a margin of 30 seconds.
func exact(d time.Duration) string {
	if d = max(d, -d); d < time.Minute {
		return d.Round(time.Millisecond).String()
	}
	return Span(d)
}

func tokenText(t doorward.TokenRef) string {
	var parts []string
	for _, p := range []struct{ name, value string }{{"jti", t.ID}, {"kid", t.Key}, {"sha256", t.Fingerprint}} {
		if p.value != "" {
			parts = append(parts, p.name+" "+Printable(p.value))
		}
	}
	return strings.Join(parts, ", ")
}

func (s *story) session(f Facts) {
	v := f.Session
	if v == nil {
		return
	}
	s.line("Session", "%s, on %s from %s", v.ID, or(v.Device, "an unknown device"), or(v.Network, "an unknown network"))
	s.line("Session", "signed in %s", s.when(v.StartedAt))
	switch v.Renewals {
	case 0:
		s.line("Session", "never renewed")
	case 1:
		s.line("Session", "renewed once, %s", s.when(v.RenewedAt))
	default:
		s.line("Session", "renewed %d times, last %s", v.Renewals, s.when(v.RenewedAt))
	}
	if v.EndedAt.IsZero() {
		s.line("Session", "not ended")
		return
	}
	s.line("Session", "%s %s, %s", endText(v.EndReason, v.EndedBy), s.when(v.EndedAt), relation(v.EndedAt, f.Record.At))
}

// relation says where a time is from the refusal.
func relation(t, refused time.Time) string {
	switch d := refused.Sub(t); {
	case d >= time.Second:
		return Span(d) + " before this refusal"
	case d <= -time.Second:
		return Span(d) + " after this refusal"
	default:
		return "at the time of this refusal"
	}
}

// endings are the reasons that a session can end for.
var endings = map[string]string{
	"logout":       "signed out on this device",
	"logout_all":   "signed out everywhere",
	"ended":        "ended from the list of sessions",
	"password":     "ended because the password was changed",
	"suspended":    "ended because the account was suspended",
	"deactivated":  "ended because the account was deactivated",
	"token_reused": "ended because a superseded refresh token came back: somebody held a copy",
}

// Ending says how a session ended, and by whom.
func Ending(reason, by string) string { return endText(reason, by) }

func endText(reason, by string) string {
	text, ok := endings[reason]
	if !ok {
		text = "ended (" + Printable(reason) + ")"
	}
	if by != "" {
		text += ", by the " + by
	}
	return text + ","
}

func (s *story) account(f Facts) {
	u := f.User
	if u == nil {
		return
	}
	s.line("Account", "%s (%s)", Printable(u.Email), u.ID)
	text := u.State + " since " + s.when(u.StateAt)
	if u.StateBy != "" {
		text += ", by the " + u.StateBy
	}
	s.line("Account", "%s", text)
}

// happenings are the events in words.
var happenings = map[string]string{
	"user.added":       "the account was added",
	"user.suspended":   "the account was suspended",
	"user.activated":   "the account was made active",
	"user.deactivated": "the account was deactivated",
	"password.changed": "the password was changed",
	"password.renewed": "the password was hashed anew",
	"login.closed":     "password login was closed",
	"session.started":  "signed in",
	"session.ended":    "the session ended",
	"token.reused":     "a superseded refresh token came back",
}

func (s *story) events(f Facts) {
	for _, e := range slices.Backward(f.Events) {
		text, ok := happenings[e.Kind]
		if !ok {
			text = e.Kind
		}
		if e.By != "" {
			text += ", by the " + e.By
		}
		if e.Network != "" {
			text += ", from " + e.Network
		}
		if e.Detail != "" {
			text += " (" + Printable(e.Detail) + ")"
		}
		s.line("Events", "%s  %s", Stamp(e.At), text)
	}
}

// recoveries say what a client does about a code.
var recoveries = map[doorward.Recovery]string{
	doorward.RecoverRenew:     "The client renews its access token and sends the request once more; without a refresh token it signs in.",
	doorward.RecoverSignIn:    "The session is over for the client: its user signs in again.",
	doorward.RecoverClock:     "The client waits for the clock and sends the request once more.",
	doorward.RecoverAskAgain:  "The client asks for the address and the password again.",
	doorward.RecoverAskFactor: "The client asks for the second factor.",
	doorward.RecoverShow:      "The client shows the answer: only an operator can mend it.",
	doorward.RecoverStepUp:    "The client asks for a fresher or stronger sign-in.",
	doorward.RecoverWait:      "The client waits as long as Retry-After says, and sends the request again.",
	doorward.RecoverNone:      "Sending the same request again changes nothing.",
}

func (s *story) next(r *Record) {
	if by := r.Private.By; (r.Code == doorward.TokenExpired && 0 < by && by <= r.Ahead) || (r.Code == doorward.TokenNotActive && 0 < by && by <= -r.Ahead) {
		s.line("Next", "The clock of %s is %s off and refuses good tokens: set it.", or(r.Node, "that guard"), Span(r.Ahead))
	}
	if r.Private.Next != "" {
		s.line("Next", "%s", Printable(r.Private.Next))
	}
	if info, ok := r.Code.Info(); ok {
		s.line("Next", "%s", recoveries[info.Recovery])
	}
}

// counted tells of a denial that was one of too many to keep.
func (s *story) counted(f Facts) {
	s.line("", "%s", f.ID)
	s.line("", "Not kept by itself: more was refused at that time than is kept one by one, and the rest was counted.")
	s.line("", "")
	s.line("When", "%s, by its id", s.when(f.At))
	for _, flood := range f.Floods {
		s.line("Counted", "%d of %s in the minute from %s", flood.Count, flood.Code, Stamp(flood.Minute))
	}
	s.line("Next", "The answer with this id named its code. Those that were kept before the flood, and a few during it, are of the same kind:")
	for _, flood := range f.Floods {
		s.line("Next", "doorward why --code %s --last 20", flood.Code)
	}
	s.line("Next", "If nobody was answered with this id, it is made up: then nothing was refused that it names.")
}

func or(s, unknown string) string {
	if s == "" {
		return unknown
	}
	return Printable(s)
}
