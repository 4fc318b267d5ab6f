package session

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/user"
)

// soak walks with more messages on their way; it takes minutes.
var soak = os.Getenv("SOAK") != ""

func walk(t *testing.T, rule rotate, s setting) string {
	t.Helper()
	w := walker{setting: s, t: t, rotate: rule}
	found := w.walk()
	t.Logf("%d states", len(w.worlds))
	return found
}

// The settings under which rotation is right. Tokens in a storage that a page
// can read and write take in order what comes late; cookies do not.
var honest = map[string]setting{
	"one shared key":                         {lateAnswers: true},
	"no keys":                                {lateAnswers: true, keys: noKeys},
	"cookie, one shared key":                 {cookie: true},
	"cookie, no keys":                        {cookie: true, keys: noKeys},
	"no long silence, a key each":            {lateAnswers: true, keys: separateKeys, calm: true},
	"no long silence, a key each, in memory": {lateAnswers: true, keys: unsavedKeys, calm: true},
	"no long silence, keys race":             {lateAnswers: true, keys: racyKeys, calm: true},
	"no long silence, one has no key":        {lateAnswers: true, keys: mixedKeys, calm: true},
	"no long silence, cookie, a key each":    {cookie: true, keys: separateKeys, calm: true},
	"no long silence, cookie, key outlives":  {cookie: true, splitSettle: true, calm: true},
}

// Without a thief, no honest client is refused and no session ends, and each
// can always go on.
func TestNoHonestClientIsSignedOut(t *testing.T) {
	for name, s := range honest {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if s.wire = 2; soak {
				s.wire = 4
			}
			if found := walk(t, Session.Rotate, s); found != "" {
				t.Error(found)
			}
		})
	}
}

// What is asked of clients is needed: without it, one is signed out.
func TestWhatClientsMustDo(t *testing.T) {
	for name, s := range map[string]setting{
		"both tabs must use the same key":                    {lateAnswers: true, keys: separateKeys},
		"a key must be saved before it is used":              {lateAnswers: true, keys: unsavedKeys},
		"a key must be picked by one tab at a time":          {lateAnswers: true, keys: racyKeys},
		"all must use keys, or none":                         {lateAnswers: true, keys: mixedKeys},
		"a tab must look again at the storage":               {lateAnswers: true, stubborn: true},
		"a tab must look again even without keys":            {lateAnswers: true, stubborn: true, keys: noKeys},
		"a request must not outlive two rotations":           {lateAnswers: true, lateRequests: true},
		"a request must not outlive them without keys":       {lateAnswers: true, lateRequests: true, keys: noKeys},
		"a cookie's answer must not outlive a refresh":       {cookie: true, lateAnswers: true},
		"a cookie and its key must be settled in one stroke": {cookie: true, splitSettle: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.wire = 2
			found := walk(t, Session.Rotate, s)
			if found == "" {
				t.Fatal("the walk found no need for it")
			}
			t.Log(found)
		})
	}
}

// The settings with a thief, who may copy any token at any moment and as often
// as it likes. bound is how many turns since the last copy (or the last token
// in common) both can have had in a session that lives on. After the victim
// had one more, no token of the thief's is worth anything.
var stolen = map[string]setting{
	"one shared key":                  {lateAnswers: true, bound: 1},
	"one shared key, cookie":          {cookie: true, bound: 1},
	"a key each, no long silence":     {lateAnswers: true, keys: separateKeys, calm: true, bound: 1},
	"the pending key is copied too":   {lateAnswers: true, copiesKey: true, bound: 2},
	"the same, since a common token":  {lateAnswers: true, copiesKey: true, sinceCommon: true, bound: 1},
	"no keys, since a common token":   {lateAnswers: true, keys: noKeys, sinceCommon: true, bound: 1},
	"no keys, cookie, since a common": {cookie: true, keys: noKeys, sinceCommon: true, bound: 1},
}

func TestThiefAndVictimPart(t *testing.T) {
	for name, s := range stolen {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.thief = true
			if s.wire = 1; soak {
				s.wire = 2
			}
			if found := walk(t, Session.Rotate, s); found != "" {
				t.Error(found)
			}
			s.wire = 1
			if s.bound--; walk(t, Session.Rotate, s) == "" {
				t.Error("the bound could be lower")
			}
		})
	}
}

// Without keys, a thief that asks within the grace every time gets the token
// that the victim gets, and is not noticed.
func TestThiefInStepWithoutKeys(t *testing.T) {
	found := walk(t, Session.Rotate, setting{wire: 1, lateAnswers: true, keys: noKeys, thief: true, bound: 2})
	if !strings.HasSuffix(found, "the victim went on 3 times and the thief still can") || strings.Contains(found, "grace passes") {
		t.Error(found)
	}
	t.Log(found)
}

// The road not taken: a sibling where there is no key, rather than the same
// token again. Clients that look again are as well off, and a thief in step is
// noticed; but two tabs that go by their memory and renew in step part at once.
func TestSiblingsInsteadOfRepeatsWithoutKeys(t *testing.T) {
	rule := func(s Session, token Token, a Attempt, account user.State, life Life, now time.Time) (Session, Verdict) {
		next, v := s.Rotate(token, a, account, life, now)
		if v == Repeated && a == (Attempt{}) {
			v = Sibling
		}
		return next, v
	}
	for name, s := range map[string]setting{
		"no thief":         {wire: 2, lateAnswers: true, keys: noKeys},
		"no thief, cookie": {wire: 2, cookie: true, keys: noKeys},
		"thief":            {wire: 1, lateAnswers: true, keys: noKeys, thief: true, bound: 1},
	} {
		if found := walk(t, rule, s); found != "" {
			t.Errorf("%s: %s", name, found)
		}
	}
}

// A rule that is wrong in any of these ways is caught.
func TestWalkCatchesWrongRules(t *testing.T) {
	withKey := setting{wire: 1, lateAnswers: true}
	stolenWithKey := stolen["one shared key"]
	stolenWithKey.wire, stolenWithKey.thief = 1, true
	stolenWithout := stolen["no keys, since a common token"]
	stolenWithout.wire, stolenWithout.thief = 1, true
	eachItsKey := honest["no long silence, a key each"]
	eachItsKey.wire = 2

	for name, c := range map[string]struct {
		setting
		change func(s Session, t Token, a Attempt, life Life, now time.Time) (Session, Verdict)
	}{
		"a used token is never taken again": {withKey, func(s Session, t Token, a Attempt, life Life, now time.Time) (Session, Verdict) {
			next, v := s.Rotate(t, a, user.Active, life, now)
			if v == Repeated || v == Sibling {
				v = Superseded
			}
			return next, v
		}},
		"no grace": {eachItsKey, func(s Session, t Token, a Attempt, life Life, now time.Time) (Session, Verdict) {
			life.Grace = -1
			return s.Rotate(t, a, user.Active, life, now)
		}},
		"a key holds within the grace only": {withKey, func(s Session, t Token, a Attempt, life Life, now time.Time) (Session, Verdict) {
			next, v := s.Rotate(t, a, user.Active, life, now)
			if v == Repeated && now.Sub(s.RotatedAt) > life.Grace {
				v = Superseded
			}
			return next, v
		}},
		"the parent is not compared": {stolenWithKey, func(s Session, t Token, a Attempt, life Life, now time.Time) (Session, Verdict) {
			used := t
			if t.Generation == s.Generation-1 {
				used.Nonce = s.Parent
			}
			return s.Rotate(used, a, user.Active, life, now)
		}},
		"siblings for ever": {stolenWithKey, func(s Session, t Token, a Attempt, life Life, now time.Time) (Session, Verdict) {
			next, v := s.Rotate(t, a, user.Active, life, now)
			if v == Superseded && t.Generation == s.Generation-1 && t.Nonce == s.Parent {
				v = Sibling
			}
			return next, v
		}},
		"the key is not kept": {stolenWithKey, func(s Session, t Token, a Attempt, life Life, now time.Time) (Session, Verdict) {
			next, v := s.Rotate(t, a, user.Active, life, now)
			if v == Rotated {
				next.Attempt = Attempt{}
			}
			return next, v
		}},
		"repeated without a key at any age": {stolenWithout, func(s Session, t Token, a Attempt, life Life, now time.Time) (Session, Verdict) {
			next, v := s.Rotate(t, a, user.Active, life, now)
			if v == Sibling && a == s.Attempt {
				v = Repeated
			}
			return next, v
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rule := func(s Session, t Token, a Attempt, _ user.State, life Life, now time.Time) (Session, Verdict) {
				return c.change(s, t, a, life, now)
			}
			found := walk(t, rule, c.setting)
			if found == "" {
				t.Fatal("the walk found nothing wrong with it")
			}
			t.Log(found)
			if found := walk(t, Session.Rotate, c.setting); found != "" {
				t.Errorf("and it finds something wrong with the right one: %s", found)
			}
		})
	}
}
