package signing

import (
	"cmp"
	"slices"
	"time"
)

// Policy says when the keys of one use follow each other.
//
// The rules bear nodes whose clocks are minutes apart, and nodes that plan at
// the same moment: what they decide depends on the records and the time alone,
// and a key that two of them made at once is one key more for a while.
type Policy struct {
	Use       Use
	Algorithm string        // of the keys to make
	Lead      time.Duration // a key is published this long before it signs
	Age       time.Duration // a key signs this long; zero means until it is rotated by command
	Keep      time.Duration // a key is kept this long after the next one began to sign
}

const (
	defaultLead = time.Hour // as long as package guard ever keeps a key set without asking again
	defaultAge  = 90 * 24 * time.Hour

	// clockMargin covers what verifiers bear of clocks that disagree (30 s)
	// and nodes whose clocks are further off than that.
	clockMargin = time.Hour
)

// AccessPolicy is the default for keys that sign access tokens of the given
// life. A key is kept until all tokens that it signed have expired.
func AccessPolicy(algorithm string, life time.Duration) Policy {
	return Policy{Use: UseAccess, Algorithm: algorithm, Lead: defaultLead, Age: defaultAge, Keep: life + clockMargin}
}

// RefreshPolicy is the default for keys that authenticate refresh tokens of
// sessions that end for good after the given life. A key is kept as long as a
// session that it served may live, and not merely as long as one may idle: a
// token that was used before may honestly come back (its answer was lost), and
// may come back as proof of theft. Without its key it is only noise.
func RefreshPolicy(absolute time.Duration) Policy {
	return Policy{Use: UseRefresh, Algorithm: HS256, Lead: defaultLead, Age: defaultAge, Keep: absolute + 24*time.Hour}
}

// Plan is what is to be done about the keys of one use. The zero Plan is
// nothing.
type Plan struct {
	Make     bool      // make a key
	ActiveAt time.Time // and let it sign from here
	Remove   []string  // the ids of keys that nobody needs any more
}

// Plan decides what is to be done at now, given all records of the store. It
// never removes the latest key.
//
// A change of algorithm makes a new key as age does. As long as a key waits to
// become active no other is made, so that nodes with different policies, as
// there are while a configuration is rolled out, make one key per Lead at most.
func (p Policy) Plan(records []Record, now time.Time) Plan {
	keys := ofUse(records, p.Use)
	if len(keys) == 0 {
		return Plan{Make: true, ActiveAt: now}
	}
	var plan Plan
	latest := keys[len(keys)-1]
	if !latest.ActiveAt.After(now) && (p.aged(latest, now) || latest.Algorithm != p.Algorithm) {
		plan.Make, plan.ActiveAt = true, now.Add(p.Lead)
	}
	for i, key := range keys[:len(keys)-1] {
		if next := keys[i+1]; !next.ActiveAt.Add(p.Keep).After(now) {
			plan.Remove = append(plan.Remove, key.ID)
		}
	}
	return plan
}

// aged reports whether a successor made now becomes active no sooner than key
// reaches its age.
func (p Policy) aged(key Record, now time.Time) bool {
	return p.Age > 0 && !key.ActiveAt.Add(p.Age-p.Lead).After(now)
}

// Current returns the key of a use that signs at now: the latest that is
// active. Where none is, by the clock of this node, the first one to become
// active signs; false only means that there is no key at all.
func Current(records []Record, use Use, now time.Time) (Record, bool) {
	keys := ofUse(records, use)
	if len(keys) == 0 {
		return Record{}, false
	}
	for _, key := range slices.Backward(keys) {
		if !key.ActiveAt.After(now) {
			return key, true
		}
	}
	return keys[0], true
}

// InForce returns the keys of a use whose work is to be taken: all of them,
// the current one first. Those to come are among them, since a node whose
// clock is ahead signs with them already; for UseAccess these are the keys to
// publish.
func InForce(records []Record, use Use, now time.Time) []Record {
	current, ok := Current(records, use, now)
	if !ok {
		return nil
	}
	keys := []Record{current}
	for _, key := range ofUse(records, use) {
		if key.ID != current.ID {
			keys = append(keys, key)
		}
	}
	return keys
}

// ofUse returns the records of a use in the order in which they sign. The id
// breaks ties, so that all nodes see the same order.
func ofUse(records []Record, use Use) []Record {
	var keys []Record
	for _, record := range records {
		if record.Use == use {
			keys = append(keys, record)
		}
	}
	slices.SortFunc(keys, func(a, b Record) int {
		return cmp.Or(a.ActiveAt.Compare(b.ActiveAt), cmp.Compare(a.ID, b.ID))
	})
	return keys
}
