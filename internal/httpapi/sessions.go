package httpapi

import (
	"net/http"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/ulid"
)

// sessions is GET /auth/sessions: the user's devices.
func (a *API) sessions(w http.ResponseWriter, r *http.Request) error {
	id, err := a.who(r)
	if err != nil {
		return err
	}
	live, err := a.auth.Sessions(r.Context(), id.user)
	if err != nil {
		return err
	}
	list := make([]signIn, 0, len(live))
	for _, s := range live {
		list = append(list, a.describe(s, id.session))
	}
	answerJSON(w, http.StatusOK, struct {
		Sessions []signIn `json:"sessions"`
	}{list})
	return nil
}

// endOne is DELETE /auth/sessions/{sid}.
func (a *API) endOne(w http.ResponseWriter, r *http.Request) error {
	id, err := a.who(r)
	if err != nil {
		return err
	}
	target, err := ulid.Parse(r.PathValue("sid"))
	if err != nil {
		return doorward.BadInput(doorward.NotFound, "", "You have no such session")
	}
	if err := a.auth.EndSession(r.Context(), id.user, target, a.caller(r)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
