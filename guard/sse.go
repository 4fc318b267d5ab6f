package guard

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

const (
	maxEventLine = 16 << 10 // bytes
	maxEventData = 64 << 10 // bytes of all data lines of an event
)

var errEventTooLong = errors.New("an event of the stream is too long")

// event is one server-sent event (WHATWG HTML §9.2.6).
type event struct {
	kind string // "message" if it does not say
	id   string
	data string
}

// eventReader reads a stream of server-sent events. It keeps one event at a
// time, within the bounds.
type eventReader struct {
	r       *bufio.Reader
	begun   bool
	afterCR bool
}

func newEventReader(r io.Reader) *eventReader {
	return &eventReader{r: bufio.NewReaderSize(r, 4096)}
}

// next returns the next event. An event that the end of the stream cut short is
// none.
func (e *eventReader) next() (event, error) {
	var ev event
	var data strings.Builder
	some := false
	for {
		line, err := e.line()
		if err != nil {
			return event{}, err
		}
		if line == "" {
			if !some {
				ev.kind, ev.id = "", "" // no data: nothing to dispatch
				continue
			}
			if ev.kind == "" {
				ev.kind = "message"
			}
			ev.data = strings.TrimSuffix(data.String(), "\n")
			return ev, nil
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name { // a line that begins with a colon is a comment
		case "event":
			ev.kind = value
		case "id":
			if !strings.Contains(value, "\x00") {
				ev.id = value
			}
		case "data":
			some = true
			if data.Len()+len(value) > maxEventData {
				return event{}, errEventTooLong
			}
			data.WriteString(value)
			data.WriteByte('\n')
		}
	}
}

// line returns the next line without its end, which is CR, LF or both. A CR is
// taken for the end at once: to look for the LF behind it might wait long.
func (e *eventReader) line() (string, error) {
	var line []byte
	for {
		b, err := e.r.ReadByte()
		if err != nil {
			return "", err
		}
		if e.afterCR {
			if e.afterCR = false; b == '\n' {
				continue
			}
		}
		switch b {
		case '\r', '\n':
			e.afterCR = b == '\r'
			text := string(line)
			if !e.begun {
				e.begun = true
				text = strings.TrimPrefix(text, "\uFEFF")
			}
			return text, nil
		}
		if len(line) == maxEventLine {
			return "", errEventTooLong
		}
		line = append(line, b)
	}
}
