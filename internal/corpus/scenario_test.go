package corpus

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// scenario is one file of testdata: a stack that refuses, the words that a
// person gives to the doctor, and what it must say.
type scenario struct {
	name   string
	title  string
	expect expectation

	args   string // one argument a line
	text   string // one argument, all of it
	stdin  string
	har    string
	style  string // whose HAR it is
	netrc  string
	keys   []keyDecl
	tokens []section
	hosts  []*hostDecl
}

// expectation is what a diagnosis is judged by.
type expectation struct {
	cause  string
	equal  []string // as right as the cause
	likely bool     // nothing may be certain
	or     []string // other answers that are right where they are only likely
	must   []string // what else there is, and has to be said
	may    []string // what else there is, and may be said
	then   []string // of a HAR: the causes of the findings that follow
}

type section struct{ name, text string }

type keyDecl struct{ name, alg, kid string }

// hostDecl is one origin.
type hostDecl struct {
	name    string
	options []string
	routes  []route
}

// route answers what its conditions fit; the first one of a host that does.
type route struct {
	method, path string
	conditions   []string
	answer       string
}

func (s *scenario) host(name string) *hostDecl {
	for _, h := range s.hosts {
		if h.name == name {
			return h
		}
	}
	h := &hostDecl{name: name}
	s.hosts = append(s.hosts, h)
	return h
}

// parse reads a file; README.md says what is in it.
func parse(name string, data []byte) (*scenario, error) {
	archive := txtar.Parse(data)
	s := &scenario{name: name}
	if err := s.readComment(string(archive.Comment)); err != nil {
		return nil, err
	}
	for _, file := range archive.Files {
		if err := s.readSection(sectionWord.FindAllString(file.Name, -1), string(file.Data)); err != nil {
			return nil, fmt.Errorf("-- %s --: %w", file.Name, err)
		}
	}
	switch {
	case s.expect.cause == "":
		return nil, fmt.Errorf("it says nowhere what to expect")
	case s.args+s.text+s.stdin+s.har == "":
		return nil, fmt.Errorf("there is no input")
	}
	return s, nil
}

// sectionWord is a word of a section's name; a placeholder is in one word, whatever is in it.
var sectionWord = regexp.MustCompile(`(?:@\{[^{}]*\}|\S)+`)

func (s *scenario) readComment(text string) error {
	head, _, _ := strings.Cut(text, "\n\n")
	title, fields, _ := strings.Cut(head, "\n")
	s.title = title
	for line := range strings.Lines(fields) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			return fmt.Errorf("%q is no field", line)
		}
		list := strings.Fields(value)
		e := &s.expect
		switch name {
		case "stack":
		case "expect":
			e.equal = strings.Split(list[0], "/")
			e.cause, e.likely = e.equal[0], len(list) == 2 && list[1] == "likely"
			if len(list) > 2 || len(list) == 2 && !e.likely {
				return fmt.Errorf("%q: one cause, and perhaps the word likely", line)
			}
		case "or":
			e.or = list
		case "must":
			e.must = list
		case "may":
			e.may = list
		case "then":
			e.then = list
		default:
			return fmt.Errorf("there is no field %q", name)
		}
	}
	return nil
}

func (s *scenario) readSection(words []string, text string) error {
	switch kind := words[0]; {
	case kind == "args":
		s.args = text
	case kind == "text":
		s.text = strings.TrimSuffix(text, "\n")
	case kind == "stdin":
		s.stdin = text
	case kind == "har":
		s.har, s.style = text, strings.Join(words[1:], " ")
	case kind == "netrc":
		s.netrc = text
	case kind == "keys":
		for line := range strings.Lines(text) {
			f := append(strings.Fields(line), "", "")
			if f[1] == "" {
				return fmt.Errorf("%q: a key has a name, an algorithm and perhaps an id", line)
			}
			s.keys = append(s.keys, keyDecl{f[0], f[1], f[2]})
		}
	case len(words) == 2 && kind == "token":
		s.tokens = append(s.tokens, section{words[1], text})
	case len(words) == 2 && kind == "host":
		for line := range strings.Lines(text) {
			h := s.host(words[1])
			h.options = append(h.options, strings.TrimSpace(line))
		}
	case len(words) == 2 && kind == "issuer":
		return s.readIssuer(s.host(words[1]), text)
	case len(words) >= 3:
		h := s.host(kind)
		h.routes = append(h.routes, route{words[1], words[2], words[3:], text})
	default:
		return fmt.Errorf("there is no section of this name")
	}
	return nil
}

// readIssuer declares what an issuer publishes, by the names of its keys.
func (s *scenario) readIssuer(h *hostDecl, text string) error {
	var path string
	keys := ""
	for line := range strings.Lines(text) {
		switch name, value, _ := strings.Cut(strings.TrimSpace(line), " "); name {
		case "path":
			path = value
		case "keys":
			keys = value
		default:
			return fmt.Errorf("%q: an issuer has keys and perhaps a path", line)
		}
	}
	issuer := "@{" + h.name + "}" + path
	metadata := jsonAnswer + fmt.Sprintf(`{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q,"jwks_uri":%q,`+
		`"response_types_supported":["code"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256","ES256"]}`,
		issuer, issuer+"/authorize", issuer+"/token", issuer+"/.well-known/jwks.json")
	for _, known := range []string{
		path + "/.well-known/openid-configuration", path + "/.well-known/oauth-authorization-server",
		"/.well-known/oauth-authorization-server" + path,
	} {
		h.routes = append(h.routes, route{"GET", known, nil, metadata})
	}
	h.routes = append(h.routes, route{"GET", path + "/.well-known/jwks.json", nil, jsonAnswer + "@{jwks " + keys + "}"})
	return nil
}

const jsonAnswer = "HTTP/1.1 200 OK\nContent-Type: application/json\n\n"

// family is the part of the vocabulary that a scenario belongs to.
func (s *scenario) family() string { return cmp.Or(familyOf[s.expect.cause], "not in the vocabulary") }

// vocabulary is every cause by family, as `doorward doctor` may name it.
var vocabulary = map[string]string{
	"credential": `NO_CREDENTIALS EMPTY_CREDENTIALS PLACEHOLDER_CREDENTIALS SCHEME_MISSING SCHEME_DOUBLED SCHEME_MALFORMED SCHEME_WRONG
		QUOTED WHITESPACE TRUNCATED URL_ENCODED WRONG_ALPHABET TWO_CREDENTIALS IN_QUERY SOCKET_HAS_NO_HEADER WRONG_HEADER
		OVERRIDDEN_BY_NETRC NOT_BASE64_JSON BASIC_ENCODING LOGIN_REFUSED MFA_DUE CLIENT_REFUSED`,
	"token": `REFRESH_AS_ACCESS ID_TOKEN_AS_ACCESS ACCESS_AS_REFRESH API_KEY_AS_TOKEN REFRESH_REUSED REFRESH_INVALID KEY_INVALID
		STALE_TOKEN_RESENT EXPIRED NOT_YET_VALID CLOCK_SKEW TIME_IN_MILLISECONDS WRONG_ISSUER WRONG_AUDIENCE ALG_NONE ALG_NOT_ALLOWED
		ALG_CONFUSED UNKNOWN_KEY NO_KID BAD_SIGNATURE KEYS_UNREACHABLE KEYS_NOT_JSON ENCRYPTED_TOKEN OPAQUE_TOKEN SENDER_CONSTRAINED
		DPOP_NONCE DPOP_PROOF_INVALID REQUEST_SIGNATURE MISSING_CLAIM SESSION_ENDED USER_SUSPENDED INSUFFICIENT_SCOPE NOT_PERMITTED
		STEP_UP_NEEDED`,
	"the way": `REDIRECT_DROPPED_AUTH REDIRECT_TO_LOGIN TRAILING_SLASH_REDIRECT METHOD_CHANGED_BY_REDIRECT HTTP_TO_HTTPS
		PROXY_STRIPPED_AUTH HANDLER_NOT_RUN PROXY_ANSWERED CACHED_401 REPLICAS_DISAGREE WRONG_HOST NOT_A_ROUTE HEADER_TOO_LARGE
		RATE_LIMITED_AS_401 POLICY_BLOCKED TLS_CLIENT_CERT`,
	"browser": `PREFLIGHT_REFUSED CORS_HEADER_NOT_ALLOWED CORS_ORIGIN CORS_CREDENTIALS CREDENTIALS_NOT_INCLUDED NOT_FORWARDED_BY_SSR
		COOKIE_SECURE COOKIE_SAMESITE COOKIE_DOMAIN COOKIE_PATH COOKIE_EXPIRED COOKIE_PREFIX COOKIE_TOO_LARGE COOKIE_THIRD_PARTY
		CSRF_REFUSED`,
	"no fault":       "NONE",
	"nothing proved": "UNKNOWN",
}

var familyOf = func() map[string]string {
	of := map[string]string{}
	for family, causes := range vocabulary {
		for cause := range strings.FieldsSeq(causes) {
			of[cause] = family
		}
	}
	return of
}()

// onlyAlso is a fault of the server that is never the cause.
const onlyAlso = "NO_CHALLENGE"

// TestCoverage: every cause is there in two dresses at least.
func TestCoverage(t *testing.T) {
	count := map[string]int{}
	for _, s := range load(t) {
		count[s.expect.cause]++
		for _, cause := range slices.Concat(s.expect.equal, s.expect.or, s.expect.must, s.expect.may, s.expect.then) {
			if familyOf[cause] == "" && cause != onlyAlso {
				t.Errorf("%s: %s is not in the vocabulary", s.name, cause)
			}
		}
	}
	least := map[string]int{"NONE": 8, "UNKNOWN": 8}
	for cause := range familyOf {
		if want := cmp.Or(least[cause], 2); count[cause] < want {
			t.Errorf("%s is the cause of %d scenarios, want %d", cause, count[cause], want)
		}
	}
}

var answerLine = regexp.MustCompile(`^(wait \S+\n)*(hang up\n|HTTP/1\.[01] \d\d\d)`)

// TestScenarios: all that they name is there.
func TestScenarios(t *testing.T) {
	for _, s := range load(t) {
		st, err := s.setUp()
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		if _, _, err := st.input(s, t.TempDir()); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		for _, h := range s.hosts {
			for _, r := range h.routes {
				text, err := st.fill(r.answer + strings.Join(r.conditions, ""))
				if err != nil || !answerLine.MatchString(text) {
					t.Errorf("%s: %s %s %s: no answer begins like this: %.40q (%v)", s.name, h.name, r.method, r.path, text, err)
				}
			}
		}
		st.close()
	}
}

// words splits the arguments of a scenario: one a line, those that hold more
// than a line can show in Go's quotes.
func words(text string) ([]string, error) {
	var args []string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, `"`) {
			unquoted, err := strconv.Unquote(line)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", line, err)
			}
			line = unquoted
		}
		args = append(args, line)
	}
	return args, nil
}
