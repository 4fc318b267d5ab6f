package secret

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[secret]"

// mute is embedded in every type here, and makes it read "[secret]" wherever a
// value can turn into text. It also keeps the type from comparing with ==.
type mute struct{ _ [0]func() }

func (mute) String() string   { return redacted }
func (mute) GoString() string { return redacted }

// Format covers the verbs that know no Stringer: %d would print the bytes.
func (mute) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

func (mute) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (mute) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
func (mute) MarshalText() ([]byte, error) { return []byte(redacted), nil }
