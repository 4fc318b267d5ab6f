package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// file reads the settings in a TOML file.
func (l *loader) file(path, where string) layer {
	data, err := os.ReadFile(path)
	if err != nil {
		l.fault(where, "%v", err)
		return nil
	}
	var content map[string]any
	if err := toml.Unmarshal(data, &content); err != nil {
		l.fault(path+syntaxLine(err), "%s", strings.TrimPrefix(err.Error(), "toml: "))
		return nil
	}
	byKey := make(map[string]Setting)
	var keys []string
	for _, s := range settings {
		byKey[s.Key()] = s
		keys = append(keys, s.Key())
	}
	values := make(layer)
	lines := keyLines(data)
	for _, key := range inOrder(lines) {
		at := fmt.Sprintf("%s:%d: %s", path, lines[key], key)
		s, known := byKey[key]
		if _, table := content[key].(map[string]any); table && !known {
			l.fault(at, "there are no tables here: every setting stands at the top of the file")
			continue
		}
		if !known {
			l.fault(at, "%s", unknown(key, keys, ""))
			continue
		}
		texts, ok := tomlTexts(s.Kind, content[key])
		if !ok {
			l.fault(at, "is %s; it must be %s", tomlType(content[key]), s.expects())
			continue
		}
		values[s.Name] = value{at, texts}
	}
	return values
}

func syntaxLine(err error) string {
	var e *toml.DecodeError
	if !errors.As(err, &e) {
		return ""
	}
	line, _ := e.Position()
	return ":" + strconv.Itoa(line)
}

// keyLines returns the line of every key at the top of a sound document. The
// decoder tells the places of keys that its target has no field for, so it is
// given a target without fields.
func keyLines(data []byte) map[string]int {
	lines := make(map[string]int)
	var strict *toml.StrictMissingError
	if err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(new(struct{})); errors.As(err, &strict) {
		for _, e := range strict.Errors {
			key := e.Key()[0]
			if _, seen := lines[key]; !seen {
				lines[key], _ = e.Position()
			}
		}
	}
	return lines
}

func inOrder(lines map[string]int) []string {
	keys := make([]string, 0, len(lines))
	for key := range lines {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int { return lines[a] - lines[b] })
	return keys
}

// tomlTexts returns a TOML value as the other sources would write it, and
// false where it has another type than the kind of the setting.
func tomlTexts(kind Kind, v any) ([]string, bool) {
	switch v := v.(type) {
	case string:
		return []string{v}, kind != Number && kind != Bool
	case int64:
		return []string{strconv.FormatInt(v, 10)}, kind == Number || kind == Size
	case bool:
		return []string{strconv.FormatBool(v)}, kind == Bool
	case []any:
		texts := make([]string, len(v))
		for i := range v {
			var ok bool
			if texts[i], ok = v[i].(string); !ok {
				return nil, false
			}
		}
		return texts, kind == List
	default:
		return nil, false
	}
}

func tomlType(v any) string {
	switch v := v.(type) {
	case string:
		return "a string"
	case int64, float64:
		return "a number"
	case bool:
		return "a boolean"
	case []any:
		for _, item := range v {
			if _, ok := item.(string); !ok {
				return "a list with " + tomlType(item) + " in it"
			}
		}
		return "a list"
	case map[string]any:
		return "a table"
	default:
		return "a date or time"
	}
}
