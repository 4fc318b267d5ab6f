package doctor

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Words splits a command as the shell it was written for would: bash, or the
// cmd of Windows where carets give it away.
func Words(text string) ([]string, error) {
	text = strings.TrimLeft(strings.TrimSpace(text), "$>% ")
	low := strings.ToLower(text)
	if strings.HasPrefix(low, "invoke-webrequest") || strings.HasPrefix(low, "invoke-restmethod") || strings.HasPrefix(low, "$session") || strings.HasPrefix(low, "session =") || strings.Contains(low, "-usebasicparsing") || strings.Contains(text, "`\n") {
		return nil, ErrPowerShell
	}
	if strings.HasPrefix(low, "fetch(") || strings.HasPrefix(low, "await fetch(") {
		return nil, errors.New("this is fetch; in DevTools, copy as cURL (bash) or as cURL (cmd)")
	}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	if isCmd(text) {
		return cmdWords(text)
	}
	return bashWords(text)
}

func isCmd(text string) bool {
	return strings.Contains(text, "^\n") || strings.Contains(text, `^"`) || strings.Contains(text, `^%^`)
}

// bashWords knows quotes, $'…', escapes and continued lines. Nothing is
// expanded: a $TOKEN that stands there stays, for that is what to find.
func bashWords(text string) ([]string, error) {
	var words []string
	var b strings.Builder
	in := false
	end := func() {
		if in {
			words = append(words, b.String())
			b.Reset()
			in = false
		}
	}
	for i := 0; i < len(text); i++ {
		switch ch := text[i]; {
		case ch == '\\' && i+1 < len(text):
			i++
			if text[i] != '\n' {
				b.WriteByte(text[i])
				in = true
			}
		case ch == ' ' || ch == '\t' || ch == '\n':
			end()
			if ch == '\n' && len(words) > 0 && nextIsCommand(text[i+1:]) {
				return words, nil
			}
		case ch == '\'':
			j := strings.IndexByte(text[i+1:], '\'')
			if j < 0 {
				return nil, errors.New("a quote (') is never closed")
			}
			b.WriteString(text[i+1 : i+1+j])
			i += j + 1
			in = true
		case ch == '$' && i+1 < len(text) && text[i+1] == '\'':
			n, err := ansi(&b, text[i+2:])
			if err != nil {
				return nil, err
			}
			i += n + 1
			in = true
		case ch == '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' && i+1 < len(text) && strings.IndexByte("\"\\$`\n", text[i+1]) >= 0 {
					i++
					if text[i] == '\n' {
						continue
					}
				}
				b.WriteByte(text[i])
			}
			if i >= len(text) {
				return nil, errors.New(`a quote (") is never closed`)
			}
			in = true
		case (ch == '|' || ch == ';' || ch == '>' && !in || ch == '&') && (i == 0 || text[i-1] == ' ' || ch == ';' || ch == '|'):
			end()
			if ch == '>' || ch == '&' && i+1 < len(text) && text[i+1] == '>' {
				return words, nil
			}
			return words, nil
		case ch == '#' && !in:
			for i < len(text) && text[i] != '\n' {
				i++
			}
		default:
			b.WriteByte(ch)
			in = true
		}
	}
	end()
	return words, nil
}

// nextIsCommand: pasted twice, the first is meant.
func nextIsCommand(rest string) bool {
	rest = strings.TrimLeft(rest, " \t\n$")
	return strings.HasPrefix(rest, "curl ")
}

// ansi reads the rest of $'…' and returns the length with the closing quote.
func ansi(b *strings.Builder, s string) (int, error) {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\'':
			return i + 1, nil
		case s[i] != '\\' || i+1 >= len(s):
			b.WriteByte(s[i])
		default:
			i++
			switch s[i] {
			case 'n':
				b.WriteByte('\n')
			case 'r':
				b.WriteByte('\r')
			case 't':
				b.WriteByte('\t')
			case 'a':
				b.WriteByte('\a')
			case 'b':
				b.WriteByte('\b')
			case 'f':
				b.WriteByte('\f')
			case 'v':
				b.WriteByte('\v')
			case 'e', 'E':
				b.WriteByte(0x1b)
			case 'x':
				i += number(b, s[i+1:], 2, 16, false)
			case 'u':
				i += number(b, s[i+1:], 4, 16, true)
			case 'U':
				i += number(b, s[i+1:], 8, 16, true)
			case '0', '1', '2', '3', '4', '5', '6', '7':
				i += number(b, s[i:], 3, 8, false) - 1
			default:
				b.WriteByte(s[i])
			}
		}
	}
	return 0, errors.New("a quote ($') is never closed")
}

// number writes the character of up to most digits and returns how many.
func number(b *strings.Builder, s string, most, base int, char bool) int {
	n := 0
	for n < most && n < len(s) {
		if _, err := strconv.ParseUint(s[n:n+1], base, 8); err != nil {
			break
		}
		n++
	}
	v, err := strconv.ParseUint(s[:n], base, 32)
	switch {
	case err != nil:
	case char:
		b.WriteString(string(utf8.AppendRune(nil, rune(v))))
	default:
		b.WriteByte(byte(v))
	}
	return n
}

// cmdWords takes the carets of cmd away, and then the quotes as the C runtime
// of Windows does.
func cmdWords(text string) ([]string, error) {
	var plain strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '^' && i+1 < len(text) {
			i++
			if text[i] == '\n' {
				// A continued line; two in a row are a new line in a value.
				if i+1 < len(text) && text[i+1] == '\n' {
					plain.WriteByte('\n')
					i++
				}
				continue
			}
		}
		plain.WriteByte(text[i])
	}
	s := plain.String()
	var words []string
	var b strings.Builder
	in, quoted := false, false
	for i := 0; i < len(s); i++ {
		switch ch := s[i]; {
		case ch == '\\':
			n := 0
			for i < len(s) && s[i] == '\\' {
				n++
				i++
			}
			if i < len(s) && s[i] == '"' {
				b.WriteString(strings.Repeat(`\`, n/2))
				if n%2 == 1 {
					b.WriteByte('"')
				} else {
					i--
				}
			} else {
				b.WriteString(strings.Repeat(`\`, n))
				i--
			}
			in = true
		case ch == '"':
			if quoted && i+1 < len(s) && s[i+1] == '"' {
				b.WriteByte('"')
				i++
			} else {
				quoted = !quoted
			}
			in = true
		case !quoted && (ch == ' ' || ch == '\t' || ch == '\n'):
			if in {
				words = append(words, b.String())
				b.Reset()
				in = false
			}
		default:
			b.WriteByte(ch)
			in = true
		}
	}
	if quoted {
		return nil, errors.New(`a quote (") is never closed`)
	}
	if in {
		words = append(words, b.String())
	}
	return words, nil
}
