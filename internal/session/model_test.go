package session

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/user"
)

// This file holds a small world and walks it breadth-first through every
// interleaving: one session, two tabs that share a storage, a network that
// loses, doubles, delays and reorders, crashes at both ends, clocks that go
// both ways, and a thief. What the server does with a refresh token is asked of
// the real Issue, Open, Rotate and Successor. walk_test.go says what must hold.
//
// Rotate can tell tokens apart only by whether they are equal and by how far
// their generation is from the row's (TestRotateSeesOnlyEquality). So a world
// is kept up to renaming: generations count backwards from the row's; nonces
// and keys are numbered in the order in which they occur. That leaves finitely
// many worlds however long a history is, so what holds in all of them holds
// for any number of turns. What is bounded is the number of tabs and of
// messages on their way at once.

// tok names a refresh token. The two high bits tell its generation. Zero is
// none.
type tok uint8

const (
	currentBits  tok = 0x40 // the row's generation
	previousBits tok = 0x80 // the one before
	deadBits     tok = 0xC0 // all that are older
	agedBits     tok = 0xC0 // the mask
	derivedBit   tok = 0x20 // of a current one: derived from the parent and a key

	parent = previousBits // the token that the row was rotated with
	fresh  = currentBits  // as an answer: a nonce that nobody has yet
)

// derived is the token that follows the parent for key k.
func derived(k key) tok { return currentBits | derivedBit | tok(k) }

func (t tok) current() bool       { return t&agedBits == currentBits }
func (t tok) dead() bool          { return t&agedBits == deadBits }
func (t tok) isDerived() bool     { return t.current() && t&derivedBit != 0 }
func (t tok) derivedBy() key      { return key(t &^ (agedBits | derivedBit)) }
func (t tok) newer(than tok) bool { return t&agedBits < than&agedBits }

// key names an Idempotency-Key. Zero is none.
type key uint8

const (
	maxKeys           = 16
	thiefKey      key = 14
	thiefOtherKey key = 15
)

// What a tab is about.
const (
	idle     = iota
	looked   // has read the storage and will write it next (racyKeys only)
	asking   // wants an answer
	settling // the browser has stored the answer, the page does not know yet (splitSettle only)
)

type tab struct {
	phase uint8
	asked tok // the token it asks with
	key   key // the key it asks with
	mem   tok // the token it goes by where it does not look again (stubborn only)
}

// What a message is.
const (
	nothing  = iota
	request  // on its way to the server
	deciding // read and judged by the server, not yet swapped
	answer   // committed, on its way back
)

type message struct {
	kind, tab uint8
	asked     tok
	key       key
	got       tok // of an answer
}

func (m message) weight() uint64 {
	return uint64(m.kind)<<32 | uint64(m.tab)<<24 | uint64(m.asked)<<16 | uint64(m.key)<<8 | uint64(m.got)
}

// thief counts turns: how often each side went on to a newer token since the
// thief last copied one, as far as it matters (one beyond the bound).
type thief struct {
	holds  [8]tok
	key    key // of the victim, copied with the token
	turns  uint8
	victim uint8 // turns of the victim
	lags   bool  // the victim has yet to hear of what was copied on its way
	acted  bool
}

const maxWire = 4

// world is one state. It is compared and hashed as it is.
type world struct {
	attempt key  // of the row
	recent  bool // the row was rotated within the grace
	honest  bool // the row was rotated by a tab
	ended   bool
	jar     tok    // the shared storage: the token
	saved   [2]key // the shared storage: the pending keys
	tabs    [2]tab
	wire    [maxWire]message
	thief   thief
}

// keying is how clients come by their keys.
type keying uint8

const (
	sharedKey    keying = iota // one, saved where both tabs see it, before asking
	noKeys                     // none
	separateKeys               // each tab saves its own
	unsavedKeys                // each tab makes one up and keeps it in memory
	racyKeys                   // as sharedKey, but another tab can come between reading and writing
	mixedKeys                  // one tab as sharedKey, the other has none
)

type rotate func(Session, Token, Attempt, user.State, Life, time.Time) (Session, Verdict)

// setting is what a walk assumes.
type setting struct {
	wire int // messages on their way at once, for each of the two directions together
	keys keying

	cookie       bool // an answer overwrites the jar, whatever is in it
	splitSettle  bool // the page clears its key some time after the browser stored the token
	stubborn     bool // a tab goes by the token in its memory and does not look again
	lateRequests bool // a request may arrive when the session has rotated twice since
	lateAnswers  bool // an answer may arrive when a refresh with a newer token has begun
	calm         bool // nothing on its way takes longer than the grace, and no answer stays unheard for longer

	thief     bool
	copiesKey bool // it copies the pending key with the token
	// sinceCommon counts turns from when the two last held a token in common,
	// rather than from the last copy.
	sinceCommon bool
	bound       uint8 // how many turns of both a session may live through
}

// question is all that the server's answer can depend on.
type question struct {
	attempt key
	recent  bool
	asked   tok
	key     key
}

type outcome struct {
	verdict Verdict
	attempt key // of the row, if it was rotated
	got     tok
}

// deed is one step, for a person to read.
type deed struct {
	what    string
	tab     uint8
	verdict Verdict
}

func (d deed) String() string {
	s := strings.ReplaceAll(d.what, "TAB", string(rune('A'+d.tab)))
	if d.verdict != Refused {
		s += ": " + d.verdict.String()
	}
	return s
}

// emit takes a world that can be next, and what is wrong with getting there.
type emit func(by deed, next world, wrong string)

type walker struct {
	setting
	t       *testing.T
	rotate  rotate
	answers map[question]outcome

	seen   map[world]struct{}
	worlds []world
	from   []int32
	by     []deed
}

// walk visits every world and returns the way to the first that must not be,
// or "".
func (w *walker) walk() string {
	w.answers = map[question]outcome{}
	w.seen = map[world]struct{}{}
	w.add(world{jar: currentBits}, -1, deed{})
	found := ""
	for at := 0; at < len(w.worlds) && found == ""; at++ {
		here := w.worlds[at]
		if here.ended {
			continue
		}
		if wrong := w.check(here); wrong != "" {
			return w.trace(at, wrong)
		}
		w.step(here, func(by deed, next world, wrong string) {
			if wrong != "" && found == "" {
				found = w.trace(at, by.String()+" → "+wrong)
			}
			w.add(next, at, by)
		})
	}
	return found
}

func (w *walker) trace(at int, wrong string) string {
	way := []string{wrong}
	for ; at > 0; at = int(w.from[at]) {
		way = append(way, w.by[at].String())
	}
	slices.Reverse(way)
	return strings.Join(way, " → ")
}

func (w *walker) add(next world, from int, by deed) {
	next.canonical()
	if w.sinceCommon && slices.Contains(next.thief.holds[:], next.jar) {
		next.thief.turns, next.thief.victim, next.thief.lags = 0, 0, false
	}
	if _, ok := w.seen[next]; ok {
		return
	}
	w.seen[next] = struct{}{}
	w.worlds = append(w.worlds, next)
	w.from = append(w.from, int32(from))
	w.by = append(w.by, by)
}

// check says what is wrong with a world.
func (w *walker) check(here world) string {
	if !w.thief {
		for i := range here.tabs {
			alone := here
			k := w.pickKey(&alone, i)
			if v := w.serve(question{here.attempt, here.recent, here.jar, k}).verdict; !v.Grants() {
				return fmt.Sprintf("tab %c cannot go on even alone with a good network: %v", 'A'+i, v)
			}
		}
		return ""
	}
	both := min(here.thief.turns, here.thief.victim)
	switch {
	case both > w.bound:
		return fmt.Sprintf("both went on %d times", both)
	case here.thief.victim > w.bound && w.thiefCanGoOn(here):
		return fmt.Sprintf("the victim went on %d times and the thief still can", here.thief.victim)
	}
	return ""
}

func (w *walker) thiefCanGoOn(here world) bool {
	for _, t := range here.thief.holds {
		for _, k := range here.thiefKeys() {
			if t != 0 && w.serve(question{here.attempt, here.recent, t, k}).verdict.Grants() {
				return true
			}
		}
	}
	return false
}

// The server.

var (
	modelKeys = Keys{NewKey([32]byte{1}), NewKey([32]byte{2})}
	modelBase = time.UnixMilli(1_767_225_600_000)
	modelSID  = ulid.ID{1: 7}
)

const modelGeneration = 9

func (k key) attempt() Attempt {
	if k == 0 {
		return Attempt{}
	}
	return NewAttempt(fmt.Sprint("key ", k))
}

// token is the real token that t names.
func (t tok) token() Token {
	switch {
	case t.isDerived():
		return modelKeys[0].Successor(parent.token(), t.derivedBy().attempt())
	case t.current():
		return Token{modelSID, modelGeneration, Nonce{byte(t)}}
	case t.dead():
		return Token{modelSID, modelGeneration - 2, Nonce{byte(t)}}
	default:
		return Token{modelSID, modelGeneration - 1, Nonce{byte(t)}}
	}
}

// name is the inverse of token for what the server derives.
func name(got Token) tok {
	for k := range key(maxKeys) {
		if derived(k).token() == got {
			return derived(k)
		}
	}
	return fresh
}

// serve asks the real code. It asks each question once, for it is pure.
func (w *walker) serve(q question) outcome {
	if o, ok := w.answers[q]; ok {
		return o
	}
	row := Session{
		ID: modelSID, Generation: modelGeneration, Parent: parent.token().Nonce, Attempt: q.attempt.attempt(),
		CreatedAt: modelBase.Add(-time.Hour), RotatedAt: modelBase,
	}
	now := modelBase.Add(DefaultLife.Grace)
	if !q.recent {
		now = now.Add(time.Millisecond)
	}
	text := modelKeys.Issue(q.asked.token())
	w.strangers(text)
	t, sealed, err := modelKeys.Open(text)
	if err != nil || t != q.asked.token() {
		w.t.Fatalf("Open(Issue(t)) = %v, %v", t, err)
	}
	next, verdict := w.rotate(row, t, q.key.attempt(), user.Active, DefaultLife, now)
	if wrote := !reflect.DeepEqual(next, row); wrote != (verdict == Rotated) {
		w.t.Fatalf("%v: row changed: %t", verdict, wrote)
	}
	o := outcome{verdict: verdict}
	switch verdict {
	case Rotated:
		if next.Generation != t.Generation+1 || next.Parent != t.Nonce {
			w.t.Fatalf("rotated %v to %v", t, next)
		}
		o.got = derived(q.key) // the next row's parent is t
		if next.Attempt == q.key.attempt() {
			o.attempt = q.key
		}
	case Repeated:
		o.got = name(sealed.Successor(t, q.key.attempt()))
	case Sibling:
		o.got = fresh
		if q.key != 0 {
			o.got = name(sealed.Successor(t, q.key.attempt()))
		}
	}
	w.answers[q] = o
	return o
}

// strangers checks that nothing that can be made without a server's key, even
// by one who knows all that a genuine token says, gets as far as the row.
func (w *walker) strangers(genuine string) {
	known, _, _ := modelKeys.Open(genuine)
	own := Keys{NewKey([32]byte{9})}
	flip := byte('A')
	if genuine[20] == flip {
		flip = 'B'
	}
	for _, forged := range []string{
		own.Issue(known), own.Issue(own[0].Successor(known, Attempt{})),
		genuine[:20] + string(flip) + genuine[21:], genuine[:TokenLength-1], strings.ToLower(genuine), "",
	} {
		if _, _, err := modelKeys.Open(forged); err == nil {
			w.t.Fatal("a forged token was taken")
		}
	}
}

// apply makes the world what it is after the server answered o to asked, and
// returns the token that it answered.
func (next *world) apply(w *walker, o outcome, asked tok) tok {
	if o.verdict != Rotated {
		if o.got == fresh {
			return next.newTok()
		}
		return o.got
	}
	next.attempt, next.recent = o.attempt, true
	next.eachTok(func(t tok) tok {
		switch {
		case t == asked:
			return parent
		case t.current():
			return previousBits | (t&^agedBits + 1)
		case t.dead():
			return t | 0x20 // apart from those that just died
		default:
			return deadBits | t&^agedBits
		}
	})
	if !w.lateRequests {
		next.lose(func(m message) bool { return m.kind != answer && m.asked.dead() })
	}
	return o.got
}

// step emits every world that can be next.
func (w *walker) step(here world, emit emit) {
	for i := range here.tabs {
		w.stepTab(here, i, emit)
	}
	for i, m := range here.wire {
		if m.kind != nothing {
			w.stepMessage(here, i, emit)
		}
	}
	w.stepClock(here, emit)
	if w.thief {
		w.stepThief(here, emit)
	}
}

func (w *walker) stepClock(here world, emit emit) {
	next := here
	next.recent = !here.recent
	if next.recent {
		emit(deed{what: "the clock is set back"}, next, "")
		return
	}
	if w.calm && (!here.jar.current() || here.wire != [maxWire]message{}) {
		return
	}
	for i := range next.wire {
		if next.wire[i].kind == deciding { // the server gives up sooner
			next.wire[i].kind = request
		}
	}
	emit(deed{what: "the grace passes"}, next, "")
}

// The clients.

// pickKey is how the tab i comes by the key for a refresh that it begins.
func (w *walker) pickKey(next *world, i int) key {
	switch {
	case w.keys == noKeys || w.keys == mixedKeys && i == 1:
		return 0
	case w.keys == unsavedKeys:
		return next.newKey()
	case w.keys != separateKeys:
		i = 0
	}
	if next.saved[i] == 0 {
		next.saved[i] = next.newKey()
	}
	return next.saved[i]
}

func (w *walker) stepTab(here world, i int, emit emit) {
	did := func(what string, next world) { emit(deed{what: what, tab: uint8(i)}, next, "") }
	next := here
	me := &next.tabs[i]
	switch me.phase {
	case idle:
		me.asked = here.jar
		if me.mem != 0 {
			me.asked = me.mem
		}
		if !w.lateAnswers { // those before it were given up by now
			next.lose(func(m message) bool { return m.asked != me.asked })
		}
		if w.keys == racyKeys {
			me.phase, me.key = looked, here.saved[0]
			did("tab TAB reads the storage", next)
			return
		}
		me.phase, me.key = asking, w.pickKey(&next, i)
		did("tab TAB begins", next)
	case looked:
		me.phase = asking
		if me.key == 0 {
			me.key = next.newKey()
			next.saved[0] = me.key
		}
		did("tab TAB saves its key", next)
	case settling:
		if next.saved[0] == me.key {
			next.saved[0] = 0
		}
		*me = tab{}
		did("tab TAB clears its key", next)
	case asking:
		if !w.stubborn && here.jar != me.asked {
			*me = tab{}
			did("tab TAB looks again and takes the other's", next)
		} else if next.send(w.setting.wire, message{request, uint8(i), me.asked, me.key, 0}) {
			did("tab TAB sends", next)
		}
	}
	if here.tabs[i] != (tab{}) {
		next := here
		next.tabs[i] = tab{}
		did("tab TAB crashes", next)
	}
}

// hear hands an answer to the tab that asked, if it still waits.
func (w *walker) hear(here world, i int, emit emit) {
	m := here.wire[i]
	next := here
	next.wire[i] = message{}
	me := &next.tabs[m.tab]
	waits := me.phase == asking && me.asked == m.asked && me.key == m.key
	switch {
	case w.cookie:
		// The browser stores it, even for a page that is gone.
		next.store(w, m.got)
		switch {
		case !waits:
		case w.splitSettle:
			me.phase = settling
		default:
			for j := range next.saved {
				if next.saved[j] == m.key {
					next.saved[j] = 0
				}
			}
			*me = tab{}
		}
	case waits && (w.stubborn || here.jar == m.asked):
		// The token and its pending key are stored as one.
		next.store(w, m.got)
		next.saved = [2]key{}
		*me = tab{}
		if w.stubborn {
			me.mem = m.got
		}
	case waits: // another was faster
		*me = tab{}
	}
	emit(deed{what: "tab TAB hears", tab: m.tab}, next, "")
}

func (next *world) store(w *walker, got tok) {
	switch th := &next.thief; {
	case !w.thief || !got.newer(next.jar):
	case th.lags:
		th.lags = false
	case th.victim <= w.bound:
		th.victim++
	}
	next.jar = got
}

// The network, and the server's half of it.

func (next *world) send(room int, m message) bool {
	for i := range room {
		if next.wire[i].kind == nothing {
			next.wire[i] = m
			return true
		}
	}
	return false
}

func (next *world) lose(which func(message) bool) {
	for i, m := range next.wire {
		if m.kind != nothing && which(m) {
			next.wire[i] = message{}
		}
	}
}

func (w *walker) stepMessage(here world, i int, emit emit) {
	m := here.wire[i]
	if m.kind != deciding { // that one is in the server
		next := here
		next.wire[i] = message{}
		emit(deed{what: "a message is lost"}, next, "")
		if next = here; next.send(w.setting.wire, m) {
			emit(deed{what: "a message is doubled"}, next, "")
		}
	}
	if m.kind == answer {
		w.hear(here, i, emit)
		return
	}
	next := here
	if m.kind == deciding && !m.asked.current() { // another swap came first
		next.wire[i].kind = request
		emit(deed{what: "the server's swap fails", tab: m.tab}, next, "")
		return
	}
	o := w.serve(question{here.attempt, here.recent, m.asked, m.key})
	by := deed{"the server answers tab TAB", m.tab, o.verdict}
	switch {
	case m.kind == request && o.verdict == Rotated:
		next.wire[i].kind = deciding
		emit(deed{what: "the server reads what tab TAB sent", tab: m.tab}, next, "")
	case o.verdict.Grants():
		next.honest = next.honest || o.verdict == Rotated
		next.wire[i].kind = answer
		next.wire[i].got = next.apply(w, o, m.asked)
		emit(by, next, "")
	case o.verdict == Superseded && here.thief.acted:
		emit(by, world{ended: true}, "")
	default:
		emit(by, world{ended: true}, "an honest client is signed out")
	}
}

// The thief.

// thiefKeys are those that the thief can ask with. Its second is worth a try
// only where the row holds its first.
func (here *world) thiefKeys() []key {
	keys := []key{0, thiefKey}
	if here.thief.key != 0 {
		keys = append(keys, here.thief.key)
	}
	if here.attempt == thiefKey {
		keys = append(keys, thiefOtherKey)
	}
	return keys
}

// take adds t. There is room for it: see forget.
func (th *thief) take(t tok) {
	if !slices.Contains(th.holds[:], t) {
		th.holds[slices.Index(th.holds[:], 0)] = t
	}
}

func (w *walker) stepThief(here world, emit emit) {
	copied := map[tok]bool{}
	bare := here
	bare.thief = thief{}
	bare.eachTok(func(t tok) tok {
		// Others are good for nothing but to end the session.
		if !copied[t] && (t == parent || t.current()) {
			copied[t] = true
			next := here
			next.thief.take(t)
			next.thief.turns, next.thief.victim = 0, 0
			next.thief.lags = here.thief.lags || t.newer(here.jar)
			if w.copiesKey && here.saved[0] != 0 {
				next.thief.key = here.saved[0]
			}
			emit(deed{what: "the thief copies"}, next, "")
		}
		return t
	})
	for _, t := range here.thief.holds {
		for _, k := range here.thiefKeys() {
			if t != 0 {
				w.thiefAsks(here, t, k, emit)
			}
		}
	}
}

func (w *walker) thiefAsks(here world, t tok, k key, emit emit) {
	o := w.serve(question{here.attempt, here.recent, t, k})
	by := deed{what: "the thief asks with a key", verdict: o.verdict}
	if k == 0 {
		by.what = "the thief asks without a key"
	}
	if !o.verdict.Grants() {
		emit(by, world{ended: true}, "")
		return
	}
	next := here
	got := next.apply(w, o, t)
	next.honest = here.honest && o.verdict != Rotated
	next.thief.acted = true
	if ahead := o.verdict == Rotated || !slices.ContainsFunc(here.thief.holds[:], tok.current); ahead && here.thief.turns <= w.bound {
		next.thief.turns++
	}
	next.thief.take(got)
	wrong := ""
	if late := !here.recent && t == parent && (k == 0 || k != here.thief.key); late {
		switch {
		case here.honest && w.keys == sharedKey:
			wrong = "long after it was used, a copy was honoured without the key that it was used with"
		case here.heldByVictim(got):
			wrong = "long after it was used, a copy brought the very token that the victim has"
		}
	}
	emit(by, next, wrong)
}

func (here world) heldByVictim(t tok) (held bool) {
	here.thief = thief{}
	here.eachTok(func(other tok) tok { held = held || other == t; return other })
	return held
}

// Names.

// eachTok and eachKey pass every token, or key, that there is to f and put what
// it returns in its place.
func (next *world) eachTok(f func(tok) tok) {
	next.jar = f(next.jar)
	for i := range next.tabs {
		if me := &next.tabs[i]; me.asked != 0 {
			me.asked = f(me.asked)
		}
		if me := &next.tabs[i]; me.mem != 0 {
			me.mem = f(me.mem)
		}
	}
	for i := range next.wire {
		m := &next.wire[i]
		if m.kind != nothing {
			m.asked = f(m.asked)
		}
		if m.kind == answer {
			m.got = f(m.got)
		}
	}
	for i, t := range next.thief.holds {
		if t != 0 {
			next.thief.holds[i] = f(t)
		}
	}
}

func (next *world) eachKey(f func(key) key) {
	change := func(k *key) {
		if *k != 0 {
			*k = f(*k)
		}
	}
	change(&next.attempt)
	for i := range next.saved {
		change(&next.saved[i])
	}
	for i := range next.tabs {
		change(&next.tabs[i].key)
	}
	for i := range next.wire {
		change(&next.wire[i].key)
	}
	change(&next.thief.key)
}

// newKey and newTok return one that nobody has.
func (next *world) newKey() key {
	var used [maxKeys]bool
	next.eachKey(func(k key) key { used[k] = true; return k })
	return key(1 + slices.Index(used[1:thiefKey], false))
}

func (next *world) newTok() tok {
	var used [derivedBit]bool
	next.eachTok(func(t tok) tok {
		if t.current() && !t.isDerived() {
			used[t&^agedBits] = true
		}
		return t
	})
	return currentBits | tok(slices.Index(used[:], false))
}

// canonical renames what is in a world, so that worlds that differ only in
// names are one.
func (next *world) canonical() {
	if next.thief.holds != [8]tok{} {
		next.forget()
	}
	next.sort()
	next.rename()
	next.sort()
}

func (next *world) sort() {
	slices.SortFunc(next.wire[:], func(a, b message) int { return cmp.Compare(b.weight(), a.weight()) })
	slices.Sort(next.thief.holds[:])
}

// forget drops what the thief has no use for: tokens that can only end the
// session, and, of the current ones that nobody else has or can come to have,
// all but one, since each is as good as the other.
func (next *world) forget() {
	holds := next.thief.holds
	next.thief.holds = [8]tok{}
	var honest [256]bool
	next.eachTok(func(t tok) tok { honest[t] = true; return t })
	var keys [maxKeys]bool
	next.eachKey(func(k key) key { keys[k] = true; return k })
	spare := false
	for i, t := range holds {
		shared := honest[t] || t.isDerived() && t.derivedBy() < thiefKey && keys[t.derivedBy()]
		if t != parent && (!t.current() || !shared && spare) {
			holds[i] = 0
		}
		spare = spare || t.current() && !shared
	}
	next.thief.holds = holds
}

func (next *world) rename() {
	keys := [maxKeys]key{thiefKey: thiefKey, thiefOtherKey: thiefOtherKey}
	n := key(0)
	next.eachKey(func(k key) key {
		if keys[k] == 0 {
			n++
			keys[k] = n
		}
		return keys[k]
	})
	toks := [256]tok{parent: parent}
	count := [4]tok{previousBits >> 6: 1}
	next.eachTok(func(t tok) tok {
		switch by := t.derivedBy(); {
		case t.isDerived() && (by == 0 || keys[by] != 0):
			return derived(keys[by])
		case toks[t] == 0: // what a key that nobody has was good for is a nonce like any other
			toks[t] = t&agedBits | count[t>>6]
			count[t>>6]++
		}
		return toks[t]
	})
}
