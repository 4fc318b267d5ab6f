package ledger

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/ulid"
)

// FuzzAccept: whatever is reported, nothing is kept of a time to come, nothing
// too long, and nothing under an id that is none.
func FuzzAccept(f *testing.F) {
	for _, b := range []Batch{
		{Node: "api-1", Sent: noon, Denials: []Record{denialAt(noon, doorward.TokenExpired)}, Counted: []Flood{{noon, doorward.TokenMissing, 3}}},
		{Sent: noon.Add(10 * time.Hour), Denials: []Record{denialAt(noon.Add(10*time.Hour), doorward.TokenRevoked), {}}},
		{Sent: noon, Denials: []Record{denialAt(noon.Add(time.Hour), doorward.TokenExpired)}, Counted: []Flood{{noon, "X", -1}}},
	} {
		text, err := json.Marshal(b)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var b Batch
		if json.Unmarshal(text, &b) != nil {
			return
		}
		records, floods, refused, err := b.Accept("key", noon)
		if err != nil && len(records)+len(floods)+len(refused) > 0 {
			t.Fatal("refused, and kept something")
		}
		if err == nil && len(records)+len(floods)+len(refused) != len(b.Denials)+len(b.Counted) {
			t.Fatalf("of %d and %d: %d, %d and %d", len(b.Denials), len(b.Counted), len(records), len(floods), len(refused))
		}
		for _, r := range records {
			id, err := ulid.Parse(strings.TrimPrefix(r.ID, "dn_"))
			age := noon.Sub(r.At)
			written, _ := json.Marshal(r)
			if err != nil || age < 0 || age > Keep+2*agree || r.Key != "key" || len(written) > 16<<10 || strings.Contains(string(written), "eyJ") {
				t.Fatalf("%s %s %s", id, age, written)
			}
		}
		for _, c := range floods {
			if age := noon.Sub(c.Minute); age < 0 || age > Keep+2*agree || c.Count < 1 {
				t.Fatalf("%+v", c)
			}
		}
	})
}
