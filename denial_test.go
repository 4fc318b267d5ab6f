package doorward

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

const testDenialID = "dn_01JD0000000000000000000000"

// vectorDenial is a denial as testdata/vectors/denials.json writes it.
type vectorDenial struct {
	Code                      Code
	ID, Detail, Member, Scope string
	RetryAfter                int64
	Limit                     *struct {
		Name          string
		Quota         int
		Window, Reset int64
	}
}

func (v vectorDenial) denial() *Denial {
	d := &Denial{ID: v.ID, Code: v.Code, Detail: v.Detail, Member: v.Member, Scope: v.Scope, RetryAfter: time.Duration(v.RetryAfter) * time.Millisecond}
	if l := v.Limit; l != nil {
		d.Limit = &Limit{l.Name, l.Quota, time.Duration(l.Window) * time.Millisecond, time.Duration(l.Reset) * time.Millisecond}
	}
	return d
}

// TestDenialWrite checks every byte of the answer to every code.
func TestDenialWrite(t *testing.T) {
	var file struct {
		Answers []struct {
			Name    string
			Denial  vectorDenial
			Wire    Wire
			Status  int
			Headers map[string]string
			Body    string
		}
	}
	vectors(t, "denials.json", &file)
	answered := map[Code]bool{}
	for _, a := range file.Answers {
		t.Run(a.Name, func(t *testing.T) {
			answered[a.Denial.Code] = true
			w := httptest.NewRecorder()
			a.Denial.denial().Write(w, a.Wire)
			if w.Code != a.Status {
				t.Errorf("status %d, want %d", w.Code, a.Status)
			}
			want := http.Header{}
			for name, value := range a.Headers {
				want.Set(name, value)
			}
			if got := w.Header(); !reflect.DeepEqual(got, want) {
				t.Errorf("headers\n%v, want\n%v", got, want)
			}
			if got := w.Body.String(); got != a.Body {
				t.Errorf("body\n%s, want\n%s", got, a.Body)
			}
		})
	}
	for _, info := range Codes() {
		if !answered[info.Code] {
			t.Errorf("no answer for %s", info.Code)
		}
	}
}

// What is in a denial comes in part from a request. None of it can make a
// header, end one, or leave the JSON string it is in.
func TestDenialKeepsTextIn(t *testing.T) {
	for _, hostile := range []string{
		"a\r\nSet-Cookie: session=1", "a\nb", "a\r", "\x00", "\x7F", `a", error="none`, `a\`, `a\"`, "caf\u00E9 \u2028", "\xFF\xFE", "</script>", "a\tb",
	} {
		d := &Denial{
			ID: testDenialID, Code: InsufficientScope, Detail: hostile, Scope: hostile, Member: hostile,
			Limit: &Limit{Name: hostile, Quota: 1, Window: time.Second, Reset: time.Second},
		}
		w := httptest.NewRecorder()
		d.Write(w, Wire{Issuer: "https://id.example", Realm: hostile})
		header := w.Header()
		if len(header) != 8 {
			t.Errorf("%q: %d headers", hostile, len(header))
		}
		for name, values := range header {
			if len(values) != 1 || strings.ContainsAny(values[0], "\r\n\x00\x7F") {
				t.Errorf("%q: %s is %q", hostile, name, values)
			}
		}
		all, err := ParseChallenges(header["Www-Authenticate"])
		if err != nil || len(all) != 1 {
			t.Fatalf("%q: %q, %v", hostile, header["Www-Authenticate"], err)
		}
		if e, _ := all[0].Param("error"); e != "insufficient_scope" || len(all[0].Params) != 4 {
			t.Errorf("%q: the challenge is %s", hostile, all[0])
		}
		for _, name := range []string{"error_description", "scope"} { // RFC 6750 §3
			value, _ := all[0].Param(name)
			if !regexp.MustCompile(`^[\x20-\x21\x23-\x5B\x5D-\x7E]+$`).MatchString(value) {
				t.Errorf("%q: %s is %q", hostile, name, value)
			}
		}
		checkRateLimit(t, header)
		var body map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || len(body) != 10 {
			t.Errorf("%q: %s", hostile, w.Body)
		}
		if want := strings.ToValidUTF8(hostile, "\uFFFD\uFFFD"); body["detail"] != want || body["message"] != want {
			t.Errorf("%q: the body says %q", hostile, body["detail"])
		}
	}
}

// The fields are Lists of Strings with Integer parameters (RFC 9651), here of
// one member; draft-ietf-httpapi-ratelimit-headers §3 and §4 name them.
var (
	policyField = regexp.MustCompile(`^"([\x20-\x21\x23-\x5B\x5D-\x7E]*)";q=\d{1,15}(;w=[1-9]\d{0,14})?$`)
	limitField  = regexp.MustCompile(`^"([\x20-\x21\x23-\x5B\x5D-\x7E]*)";r=0;t=\d{1,15}$`)
)

func checkRateLimit(t *testing.T, header http.Header) {
	t.Helper()
	policy := policyField.FindStringSubmatch(header.Get("RateLimit-Policy"))
	limit := limitField.FindStringSubmatch(header.Get("RateLimit"))
	if policy == nil || limit == nil || policy[1] != limit[1] {
		t.Errorf("RateLimit-Policy: %s, RateLimit: %s", header.Get("RateLimit-Policy"), header.Get("RateLimit"))
	}
}

func TestDenialLimit(t *testing.T) {
	for _, c := range []struct {
		limit       Limit
		policy, now string
	}{
		{Limit{"login", 5, 15 * time.Minute, time.Minute}, `"login";q=5;w=900`, `"login";r=0;t=60`},
		{Limit{"login", 5, 1500 * time.Millisecond, time.Nanosecond}, `"login";q=5;w=2`, `"login";r=0;t=1`},
		{Limit{"login", 5, 0, 0}, `"login";q=5`, `"login";r=0;t=0`},
		{Limit{"login", 0, time.Second, -time.Minute}, `"login";q=0;w=1`, `"login";r=0;t=0`},
		{Limit{`l"o\g` + "\u00EFn", 5, time.Second, math.MaxInt64}, `"l'o'g'n";q=5;w=1`, `"l'o'g'n";r=0;t=9223372037`},
	} {
		w := httptest.NewRecorder()
		(&Denial{Code: RateLimited, Limit: &c.limit}).Write(w, Wire{})
		if got := w.Header().Get("RateLimit-Policy"); got != c.policy {
			t.Errorf("RateLimit-Policy: %s, want %s", got, c.policy)
		}
		if got := w.Header().Get("RateLimit"); got != c.now {
			t.Errorf("RateLimit: %s, want %s", got, c.now)
		}
		checkRateLimit(t, w.Header())
	}
}

// Whoever waits as told is not refused again for having come too soon.
func TestDenialRetryAfter(t *testing.T) {
	for wait, want := range map[time.Duration]string{
		0: "", -time.Second: "", time.Nanosecond: "1", time.Second - 1: "1", time.Second: "1", time.Second + 1: "2",
		90 * time.Second: "90", math.MaxInt64: "9223372037",
	} {
		w := httptest.NewRecorder()
		(&Denial{Code: Unavailable, RetryAfter: wait}).Write(w, Wire{})
		if got := w.Header().Get("Retry-After"); got != want {
			t.Errorf("after %v: %q, want %q", wait, got, want)
		}
	}
}

// A script may read what it needs where it may read anything at all, and a
// choice that was made before stands.
func TestDenialExposesHeaders(t *testing.T) {
	for _, c := range []struct{ origin, exposed, want string }{
		{"", "", ""},
		{"https://app.example", "", ExposedHeaders},
		{"https://app.example", "X-Own", "X-Own"},
		{"", "X-Own", "X-Own"},
	} {
		w := httptest.NewRecorder()
		for name, value := range map[string]string{"Access-Control-Allow-Origin": c.origin, "Access-Control-Expose-Headers": c.exposed} {
			if value != "" {
				w.Header().Set(name, value)
			}
		}
		(&Denial{ID: testDenialID, Code: RateLimited, RetryAfter: 1, Limit: &Limit{Name: "a"}}).Write(w, Wire{})
		if got := w.Header().Get("Access-Control-Expose-Headers"); got != c.want {
			t.Errorf("origin %q, exposed %q: %q", c.origin, c.exposed, got)
		}
	}

	// Everything that only an answer like this has is on the list. The others
	// are on the CORS safelist, or of no use to a script.
	w := httptest.NewRecorder()
	(&Denial{ID: testDenialID, Code: TokenExpired, RetryAfter: 1, Limit: &Limit{Name: "a"}}).Write(w, Wire{})
	listed := map[string]bool{"Cache-Control": true, "Content-Type": true, "Content-Length": true, "X-Content-Type-Options": true}
	for name := range strings.SplitSeq(ExposedHeaders, ", ") {
		listed[textproto.CanonicalMIMEHeaderKey(name)] = true
	}
	for name := range w.Header() {
		if !listed[name] {
			t.Errorf("%s is not exposed", name)
		}
	}
}

// The text of a denial is for everybody; its reason is for the operator.
func TestDenialTellsNoReason(t *testing.T) {
	private := Reason{
		Check: "secret-check", Text: "secret-text", Next: "secret-next", User: "secret-user", Session: "secret-session", By: 12345 * time.Second,
		Token: TokenRef{ID: "secret-jti", Key: "secret-kid", Fingerprint: "secret-sha"},
	}
	for _, info := range Codes() {
		d := NewDenial(info.Code, time.Now(), private)
		if got, want := d.Error(), string(info.Code)+": "+info.Detail; got != want {
			t.Errorf("Error() = %q, want %q", got, want)
		}
		w := httptest.NewRecorder()
		d.Write(w, Wire{Issuer: "https://id.example"})
		if text := fmt.Sprint(d, w.Header(), w.Body); strings.Contains(text, "secret") || strings.Contains(text, "12345") {
			t.Errorf("%s tells %s", info.Code, text)
		}
	}
}

func TestNewDenial(t *testing.T) {
	now := time.UnixMilli(1_767_225_600_123)
	for _, info := range append(Codes(), CodeInfo{Code: "NO_SUCH_CODE"}) {
		d, other := NewDenial(info.Code, now, Reason{Check: "c"}), NewDenial(info.Code, now, Reason{})
		if d.Code != info.Code || !d.At.Equal(now) || d.Private.Check != "c" {
			t.Errorf("%s: %+v", info.Code, d)
		}
		if info.Class == ClassInput {
			if d.ID != "" {
				t.Errorf("%s has the id %s", info.Code, d.ID)
			}
		} else if !ValidDenialID(d.ID) || d.ID == other.ID {
			t.Errorf("%s has the ids %q and %q", info.Code, d.ID, other.ID)
		}
	}
	bad := BadInput(InvalidRequest, "email", "an address needs an @")
	if want := (&Denial{Code: InvalidRequest, Member: "email", Detail: "an address needs an @"}); !reflect.DeepEqual(bad, want) {
		t.Errorf("%+v", bad)
	}
	if bad.Error() != "INVALID_REQUEST: an address needs an @" || bad.Status() != 400 || bad.PublicDetail() != "an address needs an @" {
		t.Errorf("%v, %d", bad, bad.Status())
	}
}

// A code that is not in the table is a bug. It refuses, and says nothing.
func TestUnknownCodeRefuses(t *testing.T) {
	w := httptest.NewRecorder()
	NewDenial("NO_SUCH_CODE", time.Now(), Reason{Text: "secret"}).Write(w, Wire{})
	if w.Code != 500 || strings.Contains(w.Body.String(), "secret") || !strings.Contains(w.Body.String(), `"detail":"The service failed"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w.Header().Get("WWW-Authenticate") != "" || !ValidDenialID(w.Header().Get(DenialHeader)) {
		t.Errorf("%v", w.Header())
	}
}

func TestValidDenialID(t *testing.T) {
	for s, want := range map[string]bool{
		testDenialID: true, "": false, "dn_": false, testDenialID[3:]: false, "DN_" + testDenialID[3:]: false,
		testDenialID + "0": false, strings.ToLower(testDenialID): false, "dn_81JD0000000000000000000000": false, testDenialID + "\n": false,
	} {
		if got := ValidDenialID(s); got != want {
			t.Errorf("ValidDenialID(%q) = %t", s, got)
		}
	}
}

// TestDenialWriteTellsHowTheSessionEnded: in texts, and only where it is set.
func TestDenialWriteTellsHowTheSessionEnded(t *testing.T) {
	body := func(d *Denial) string {
		w := httptest.NewRecorder()
		d.Write(w, Wire{})
		return w.Body.String()
	}
	d := NewDenial(InvalidRefreshToken, time.Now(), Reason{})
	if got := body(d); strings.Contains(got, "ended") {
		t.Errorf("%s", got)
	}
	at := time.Date(2026, 11, 23, 13, 0, 0, 123e6, time.FixedZone("CET", 3600))
	d.Ended = &SessionEnd{Reason: EndedPassword, By: "user", At: at}
	if got, want := body(d), `,"ended":"password","endedBy":"user","endedAt":"2026-11-23T12:00:00Z"}`; !strings.HasSuffix(got, want) {
		t.Errorf("%s, want %s at the end", got, want)
	}
	d.Ended = &SessionEnd{Reason: EndedIdle, At: at}
	if got, want := body(d), `,"ended":"idle","endedAt":"2026-11-23T12:00:00Z"}`; !strings.HasSuffix(got, want) {
		t.Errorf("%s, want %s at the end", got, want)
	}
}
