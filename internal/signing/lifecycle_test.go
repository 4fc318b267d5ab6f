package signing

import (
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// at returns a record of an access key that is active from the epoch plus d.
func at(id string, d time.Duration) Record {
	return Record{ID: id, Use: UseAccess, Algorithm: "ES256", ActiveAt: epoch.Add(d)}
}

func TestPlan(t *testing.T) {
	policy := Policy{Use: UseAccess, Algorithm: "ES256", Lead: time.Hour, Age: 90 * day, Keep: 2 * time.Hour}
	other := at("rsa", 0)
	other.Algorithm = "RS256"
	refresh := at("refresh", 0)
	refresh.Use = UseRefresh
	for name, tc := range map[string]struct {
		records []Record
		after   time.Duration // since the epoch
		want    Plan
	}{
		"no key":                       {nil, 0, Plan{Make: true, ActiveAt: epoch}},
		"keys for another use only":    {[]Record{refresh}, 0, Plan{Make: true, ActiveAt: epoch}},
		"a young key":                  {[]Record{at("a", 0)}, 90*day - time.Hour - 1, Plan{}},
		"a key that comes of age":      {[]Record{at("a", 0)}, 90*day - time.Hour, Plan{Make: true, ActiveAt: epoch.Add(90 * day)}},
		"a key past its age":           {[]Record{at("a", 0)}, 200 * day, Plan{Make: true, ActiveAt: epoch.Add(200*day + time.Hour)}},
		"a successor waits":            {[]Record{at("a", 0), at("b", 90*day)}, 90*day - 1, Plan{}},
		"a successor signs":            {[]Record{at("a", 0), at("b", 90*day)}, 90*day + 2*time.Hour - 1, Plan{}},
		"a successor has signed":       {[]Record{at("a", 0), at("b", 90*day)}, 90*day + 2*time.Hour, Plan{Remove: []string{"a"}}},
		"in any order":                 {[]Record{at("b", 90*day), at("a", 0)}, 90*day + 2*time.Hour, Plan{Remove: []string{"a"}}},
		"two successors":               {[]Record{at("a", 0), at("b", day), at("c", day)}, 2 * day, Plan{Remove: []string{"a", "b"}}},
		"the last key, however old":    {[]Record{at("a", 0)}, 3000 * day, Plan{Make: true, ActiveAt: epoch.Add(3000*day + time.Hour)}},
		"a clock behind the first key": {[]Record{at("a", 0)}, -10 * time.Minute, Plan{}},
		"another algorithm":            {[]Record{other}, time.Minute, Plan{Make: true, ActiveAt: epoch.Add(time.Hour + time.Minute)}},
		"another algorithm, waiting":   {[]Record{at("a", -day), other}, -time.Minute, Plan{}},
	} {
		if got := policy.Plan(tc.records, epoch.Add(tc.after)); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
	policy.Age = 0
	if got := policy.Plan([]Record{at("a", 0)}, epoch.Add(3000*day)); !reflect.DeepEqual(got, Plan{}) {
		t.Errorf("no age: %+v", got)
	}
}

func TestCurrent(t *testing.T) {
	records := []Record{at("b", day), at("a", 0), at("c", 2*day), {ID: "r", Use: UseRefresh, ActiveAt: epoch}}
	for after, want := range map[time.Duration][]string{
		-time.Hour:  {"a", "b", "c"}, // a clock that is behind
		0:           {"a", "b", "c"},
		day - 1:     {"a", "b", "c"},
		day:         {"b", "a", "c"},
		3 * day:     {"c", "a", "b"},
		3000 * day:  {"c", "a", "b"},
		-3000 * day: {"a", "b", "c"},
	} {
		current, ok := Current(records, UseAccess, epoch.Add(after))
		if !ok || current.ID != want[0] {
			t.Errorf("after %v, %q signs, want %q", after, current.ID, want[0])
		}
		if got := ids(InForce(records, UseAccess, epoch.Add(after))); !slices.Equal(got, want) {
			t.Errorf("after %v, %q are in force, want %q", after, got, want)
		}
	}
	if _, ok := Current(records[:3], UseRefresh, epoch); ok {
		t.Error("a key for access signs for refresh")
	}
	if got := InForce(nil, UseAccess, epoch); got != nil {
		t.Errorf("no keys, and %q are in force", ids(got))
	}
	tied, reversed := []Record{at("a", 0), at("b", 0)}, []Record{at("b", 0), at("a", 0)}
	x, _ := Current(tied, UseAccess, epoch)
	y, _ := Current(reversed, UseAccess, epoch)
	if x.ID != y.ID {
		t.Errorf("two nodes see %q and %q sign", x.ID, y.ID)
	}
}

func ids(records []Record) (ids []string) {
	for _, record := range records {
		ids = append(ids, record.ID)
	}
	return ids
}

// Three nodes, with clocks five minutes apart and a configuration that is
// being rolled out, plan over one store, once with what the others have done
// just now and once without having seen it. What matters must hold at every
// step: there is a key; no key signs that was not long published; and no token
// that is still alive has lost its key.
func TestNodes(t *testing.T) {
	const life, absolute = 15 * time.Minute, 30 * day
	nodes(t, AccessPolicy("ES256", life), life, 4*time.Minute)
	nodes(t, RefreshPolicy(absolute), absolute, 40*time.Minute)
}

// nodes lets 200 days pass in steps. What a key signs at one of them lives for
// life.
func nodes(t *testing.T, policy Policy, life, step time.Duration) {
	const skew = 5 * time.Minute
	var store []Record
	made := 0
	published, signed := map[string]time.Time{}, map[string]time.Time{}
	for i := range int(200 * day / step) {
		now := epoch.Add(time.Duration(i) * step)
		seen := slices.Clone(store)
		for node := range 3 {
			if i%2 == 0 {
				seen = slices.Clone(store)
			}
			p, clock := policy, now.Add(time.Duration(node-1)*skew)
			if rollout := now.Sub(epoch.Add(40 * day)); policy.Use == UseAccess && node == 2 && 0 < rollout && rollout < time.Hour {
				p.Algorithm = "EdDSA"
			}
			plan := p.Plan(seen, clock)
			if plan.Make {
				made++
				r := Record{ID: strconv.Itoa(made), Use: p.Use, Algorithm: p.Algorithm, CreatedAt: clock, ActiveAt: plan.ActiveAt}
				store, published[r.ID] = append(store, r), now
			}
			for _, id := range plan.Remove {
				if last := signed[id]; now.Before(last.Add(life + skew)) {
					t.Fatalf("%s: key %s is removed %v after it signed", p.Use, id, now.Sub(last))
				}
				store = slices.DeleteFunc(store, func(r Record) bool { return r.ID == id })
			}
		}
		for node := range 3 {
			current, ok := Current(store, policy.Use, now.Add(time.Duration(node-1)*skew))
			if !ok {
				t.Fatalf("%s: no key at %v", policy.Use, now)
			}
			wait := now.Sub(published[current.ID])
			if i > 0 && signed[current.ID].IsZero() && wait < policy.Lead-2*skew {
				t.Fatalf("%s: key %s signs %v after it was published", policy.Use, current.ID, wait)
			}
			signed[current.ID] = now
		}
		if len(store) > 9 {
			t.Fatalf("%s: %d keys", policy.Use, len(store))
		}
	}
	// Three at most at the start and at each of two changes, and some for the
	// rollout and back.
	if made < 3 || made > 15 {
		t.Errorf("%s: %d keys were made", policy.Use, made)
	}
}
