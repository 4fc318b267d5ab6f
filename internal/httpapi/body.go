package httpapi

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/ledger"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/strictjson"
)

// maxBody bounds a body, in bytes.
const maxBody = 64 << 10

// body is the JSON object that a request came with. Members that nobody asks
// for are ignored.
type body struct {
	object strictjson.Value
	data   []byte // the same as it was sent; nil where the body was empty
}

// readBody reads the body of a request as one strict JSON object. An empty
// body is an empty object, for routes that can do without.
func readBody(w http.ResponseWriter, r *http.Request) (body, error) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	switch {
	case err != nil:
		return body{}, unreadable(err)
	case len(data) == 0:
		return body{}, nil
	}
	// A form or text/plain body can be sent by any page without a preflight;
	// JSON cannot.
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return body{}, doorward.BadInput(doorward.UnsupportedMediaType, "", "")
	}
	object, err := strictjson.ParseObject(data)
	if err != nil {
		var e *strictjson.Error
		if errors.As(err, &e) {
			return body{}, doorward.BadInput(doorward.InvalidRequest, ledger.Cut(e.Member, 100), "The body is not acceptable JSON: "+e.Reason+fmt.Sprintf(" (byte %d)", e.Offset))
		}
		return body{}, doorward.BadInput(doorward.InvalidRequest, "", "The body must be a JSON object")
	}
	return body{object, data}, nil
}

// unreadable says why a body could not be read.
func unreadable(err error) *doorward.Denial {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return doorward.BadInput(doorward.ContentTooLarge, "", fmt.Sprintf("A body has at most %d bytes", maxBody))
	}
	return doorward.BadInput(doorward.InvalidRequest, "", "The body did not arrive whole")
}

// optional returns a string member; absent and null are empty.
func (b body) optional(name string) (string, error) {
	switch v := b.object.Get(name); v.Kind {
	case strictjson.Absent, strictjson.Null:
		return "", nil
	case strictjson.String:
		return v.Text, nil
	default:
		return "", doorward.BadInput(doorward.InvalidRequest, name, fmt.Sprintf("The member %q must be a string, not %s", name, v.Kind))
	}
}

// required returns a string member that must be there and not be empty.
func (b body) required(name string) (string, error) {
	s, err := b.optional(name)
	if err == nil && s == "" {
		err = doorward.BadInput(doorward.InvalidRequest, name, fmt.Sprintf("The member %q is missing", name))
	}
	return s, err
}

// secret is required for a member that must not be printed.
func (b body) secret(name string) (secret.Text, error) {
	s, err := b.required(name)
	return secret.New(s), err
}

// readCredentials reads a body that holds an address and a password.
func readCredentials(w http.ResponseWriter, r *http.Request) (b body, email string, password secret.Text, err error) {
	if b, err = readBody(w, r); err != nil {
		return b, email, password, err
	}
	if email, err = b.required("email"); err != nil {
		return b, email, password, err
	}
	password, err = b.secret("password")
	return b, email, password, err
}

// maxIdempotencyKey bounds an Idempotency-Key, in bytes.
const maxIdempotencyKey = 255

// idempotencyKey returns the request's Idempotency-Key, empty for none.
func idempotencyKey(r *http.Request) (string, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	bad := len(values) > 1 || key == "" || len(key) > maxIdempotencyKey
	for i := 0; i < len(key) && !bad; i++ {
		bad = key[i] <= ' ' || key[i] > '~'
	}
	if bad {
		return "", doorward.BadInput(doorward.InvalidRequest, "Idempotency-Key", fmt.Sprintf("An Idempotency-Key is one field of 1 to %d visible ASCII characters", maxIdempotencyKey))
	}
	return key, nil
}
