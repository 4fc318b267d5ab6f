package httpapi

import (
	"encoding/json"
	"net/http"
	"net/netip"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/apikey"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ledger"
	"github.com/doorward/doorward/internal/throttle"
)

// denials is POST /denials: guards in other programs tell what they refused, by
// an API key with the scope for it.
func (a *API) denials(w http.ResponseWriter, r *http.Request) error {
	key, err := a.machine(r, apikey.ScopeDenials)
	if err != nil {
		return err
	}
	b, err := readBody(w, r)
	if err != nil {
		return err
	}
	var batch ledger.Batch
	if err := json.Unmarshal(b.data, &batch); err != nil || b.data == nil {
		return doorward.BadInput(doorward.InvalidRequest, "", "The body must be {node, sent, denials, counted}, with times as RFC 3339 has them")
	}
	now := a.now()
	records, floods, refused, err := batch.Accept(key.Name, now)
	if err != nil {
		return doorward.BadInput(doorward.InvalidRequest, "", err.Error())
	}
	for i := range records {
		// A guard knows the address; what counts as one network is ours to say.
		addr, _ := netip.ParseAddr(records[i].Network)
		records[i].Network = throttle.Network(addr)
	}
	a.auth.Ledger().Join(auth.Report{Key: key.Subject, Records: records, Floods: floods}, now)
	a.metrics.reported(records, floods)
	if refused == nil {
		refused = []ledger.Refused{}
	}
	answerJSON(w, http.StatusOK, struct {
		Taken   int              `json:"taken"`
		Refused []ledger.Refused `json:"refused"`
	}{len(records), refused})
	return nil
}
