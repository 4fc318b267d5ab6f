package httpapi

import (
	"context"
	"net/http"
	"time"
)

// readyTimeout bounds how long the store may take to answer /readyz.
const readyTimeout = 2 * time.Second

// healthz says that the process lives; it asks nobody.
func (a *API) healthz(w http.ResponseWriter, _ *http.Request) error {
	answerJSON(w, http.StatusOK, health{"ok"})
	return nil
}

// readyz says that the store answers.
func (a *API) readyz(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if err := a.auth.Check(ctx); err != nil {
		return err
	}
	answerJSON(w, http.StatusOK, health{"ready"})
	return nil
}

type health struct {
	Status string `json:"status"`
}
