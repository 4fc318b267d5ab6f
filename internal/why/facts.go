package why

import "time"

// Facts is all that is known of one denial when its story is told.
type Facts struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	Record  *Record   `json:"record,omitempty"` // nil where it was only counted
	Floods  []Flood   `json:"floods,omitempty"` // of its minute, where it was only counted
	Session *Session  `json:"session,omitempty"`
	User    *User     `json:"user,omitempty"`
	Events  []Event   `json:"events,omitempty"` // latest first
}

// Session is what is known of the session that a denial concerned.
type Session struct {
	ID        string    `json:"id"`
	StartedAt time.Time `json:"startedAt"`
	RenewedAt time.Time `json:"renewedAt"`
	Renewals  int       `json:"renewals"`
	Device    string    `json:"device,omitempty"`
	Network   string    `json:"network,omitempty"`
	EndedAt   time.Time `json:"endedAt,omitzero"`
	EndReason string    `json:"endReason,omitempty"`
	EndedBy   string    `json:"endedBy,omitempty"`
}

// User is what is known of the account that a denial concerned.
type User struct {
	ID      string    `json:"id"`
	Email   string    `json:"email"`
	State   string    `json:"state"`
	StateAt time.Time `json:"stateAt"`
	StateBy string    `json:"stateBy,omitempty"`
}

// Event is one thing that happened to the session or the account.
type Event struct {
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"`
	By      string    `json:"by,omitempty"`
	Network string    `json:"network,omitempty"`
	Detail  string    `json:"detail,omitempty"`
}
