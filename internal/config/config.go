// Package config reads the settings of the command: from flags, the
// environment and one TOML file, the first of which to have a setting decides.
// There is one table of settings; flags, names in the environment, keys in the
// file and the help all follow from it.
//
// What nobody could have meant stops the start: an unknown key in the file, an
// unknown name with the prefix DOORWARD_, a value of the wrong type. Errors say
// where a value came from and never repeat a secret.
package config

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/doorward/doorward/internal/password"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/verify"
)

// Config is what the settings come to. Fields whose setting has no default are
// zero where it was not given.
type Config struct {
	Store          string // scheme:rest
	Listen         string
	Issuer         string
	Audience       []string
	MasterKey      secret.MasterKey
	AccessLife     time.Duration
	IdleLife       time.Duration
	AbsoluteLife   time.Duration
	Algorithm      verify.Algorithm
	KeyAge         time.Duration
	Signup         bool
	PasswordLength int // in code points
	HashMemory     int // in KiB
	HashPasses     int
	HashWorkers    int
	AllowedOrigins []string
	TrustedProxies []netip.Prefix
	MetricsListen  string
	Node           string
	LogFormat      LogFormat
	LogLevel       slog.Level

	given map[string]string // where each setting came from, by name
}

// LogFormat says how log lines are written.
type LogFormat string

// The formats.
const (
	LogAuto LogFormat = "auto" // text on a terminal, else JSON
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// Given returns where a setting came from ("--listen", "DOORWARD_LISTEN",
// "doorward.toml:3: listen"), or "" where it has its default.
func (c Config) Given(name string) string { return c.given[name] }

// Sources is where settings come from.
type Sources struct {
	Flags map[string][]string // the flags that were given, by name without dashes
	Env   []string            // as os.Environ returns it
}

// The setting that names the file is none of the table: a file cannot name
// another.
const (
	// FileFlag is its flag, without the dashes.
	FileFlag  = "config"
	envPrefix = "DOORWARD_"
	// FileEnv is its name in the environment.
	FileEnv = envPrefix + "CONFIG"
)

// Fault is one thing that is wrong with the settings.
type Fault struct {
	Where string // "--listen", "DOORWARD_LISTEN", "doorward.toml:3: listen"
	What  string
}

func (f *Fault) Error() string { return f.Where + ": " + f.What }

// Faults is everything that is wrong, so that it can be mended at once. It is
// the only type of error that Load returns.
type Faults []*Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.Error()
	}
	return strings.Join(lines, "\n")
}

// value is what one source says of one setting.
type value struct {
	where string
	texts []string
}

// layer is one source: its values by the names of the settings.
type layer map[string]value

type loader struct {
	config Config
	faults Faults
}

// Load reads the settings. The error is of type [Faults].
func Load(src Sources) (Config, error) {
	l := loader{config: Config{given: make(map[string]string)}}
	flags := l.flags(src.Flags)
	env, path, where := l.environment(src.Env)
	if given, ok := src.Flags[FileFlag]; ok {
		path, where = given[len(given)-1], "--"+FileFlag
	}
	layers := []layer{flags, env}
	if where != "" {
		layers = append(layers, l.file(path, where))
	}
	for _, s := range table() {
		l.resolve(s, layers)
	}
	if len(l.faults) == 0 {
		l.together()
	}
	if len(l.faults) > 0 {
		return Config{}, l.faults
	}
	return l.config, nil
}

func (l *loader) fault(where, format string, args ...any) {
	l.faults = append(l.faults, &Fault{where, fmt.Sprintf(format, args...)})
}

func (l *loader) flags(given map[string][]string) layer {
	values := make(layer)
	for _, s := range settings {
		if texts, ok := given[s.Name]; ok {
			values[s.Name] = value{s.Flag(), split(s, texts)}
		}
	}
	return values
}

// split takes a List apart at commas, for sources that have nothing but text.
func split(s Setting, texts []string) []string {
	if s.Kind != List {
		return texts[len(texts)-1:]
	}
	var all []string
	for _, text := range texts {
		for part := range strings.SplitSeq(text, ",") {
			all = append(all, strings.TrimSpace(part))
		}
	}
	return all
}

// Kubernetes gives every container such names for each service, and the
// service may well be called doorward.
var serviceLink = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^DOORWARD_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)
})

// environment reads what has our prefix. An empty value counts as none, which
// is how a compose file leaves a name out.
func (l *loader) environment(environ []string) (values layer, path, where string) {
	byEnv := make(map[string]Setting)
	names := []string{FileEnv}
	for _, s := range settings {
		byEnv[s.Env()] = s
		names = append(names, s.Env())
	}
	values = make(layer)
	for _, entry := range slices.Sorted(slices.Values(environ)) {
		name, text, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, envPrefix) || text == "" {
			continue
		}
		s, known := byEnv[name]
		switch {
		case name == FileEnv:
			path, where = text, FileEnv
		case known:
			values[s.Name] = value{name, split(s, []string{text})}
		case !serviceLink().MatchString(name):
			l.fault(name, "%s", unknown(name, names, envPrefix))
		}
	}
	return values, path, where
}

// unknown says that no setting has this name, and which one may be meant.
func unknown(name string, names []string, prefix string) string {
	bare := make([]string, len(names)) // a prefix that all share makes none nearer
	for i := range names {
		bare[i] = strings.TrimPrefix(names[i], prefix)
	}
	if near := Nearest(strings.TrimPrefix(name, prefix), bare); near != "" {
		return "unknown setting; did you mean " + prefix + near + "?"
	}
	return "unknown setting; doorward serve --help lists them all"
}

// resolve gives a setting the value of the first layer that has one. Those of
// the other layers are checked all the same: they are wrong today and decide
// tomorrow.
func (l *loader) resolve(s Setting, layers []layer) {
	decided := false
	for _, values := range layers {
		v, ok := l.pick(s, values, decided)
		if !ok {
			continue
		}
		target := &l.config
		if decided {
			target = new(Config)
		} else {
			l.config.given[s.Name] = v.where
			decided = true
		}
		for _, text := range v.texts {
			if err := s.set(target, text); err != nil {
				l.refuse(s, v.where, text, err)
			}
		}
	}
	if !decided && s.Default != "" {
		if err := s.set(&l.config, s.Default); err != nil { // a test sets every default
			panic(err)
		}
	}
}

// pick returns what one layer says of a setting, by itself or by naming a file.
// A file whose content would not decide is not read.
func (l *loader) pick(s Setting, values layer, decided bool) (value, bool) {
	v, direct := values[s.Name]
	name, byFile := values[s.fromFile().Name]
	switch {
	case direct && byFile:
		l.fault(v.where, "given together with %s; give one of the two", name.where)
		return value{where: v.where}, true
	case byFile && !decided:
		return l.content(name), true
	default:
		return v, direct
	}
}

func (l *loader) refuse(s Setting, where, text string, err error) {
	if s.Secret {
		l.fault(where, "the value %v", err)
		return
	}
	l.fault(where, "%q %v", text, err)
}

// maxContent bounds a file that holds the value of one setting, in bytes.
const maxContent = 4096

// content reads the file that a -file setting names.
func (l *loader) content(name value) value {
	path := name.texts[0]
	data, err := os.ReadFile(path)
	switch {
	case err != nil:
		l.fault(name.where, "%v", err)
		return value{where: name.where}
	case len(data) > maxContent:
		l.fault(name.where, "%s has %d bytes; a value has at most %d", path, len(data), maxContent)
		return value{where: name.where}
	}
	return value{name.where + ": " + path, []string{strings.TrimSpace(string(data))}}
}

// together checks what only several settings can be wrong about.
func (l *loader) together() {
	c := l.config
	if c.IdleLife < c.AccessLife {
		l.fault(l.either("idle-life", "access-life"), "a session must idle no shorter (%s) than an access token lives (%s)", FormatDuration(c.IdleLife), FormatDuration(c.AccessLife))
	}
	if c.AbsoluteLife < c.IdleLife {
		l.fault(l.either("absolute-life", "idle-life"), "a session must live no shorter at all (%s) than it may idle (%s)", FormatDuration(c.AbsoluteLife), FormatDuration(c.IdleLife))
	}
	cost := password.DefaultParams
	cost.Memory, cost.Time = c.HashMemory, c.HashPasses
	if err := cost.Validate(); err != nil {
		l.fault(l.either("hash-memory", "hash-passes"), "%v", err)
	}
}

// either says where the one or the other of two settings was given.
func (l *loader) either(names ...string) string {
	var all []string
	for _, name := range names {
		if where := l.config.given[name]; where != "" {
			all = append(all, where)
		}
	}
	return strings.Join(all, " and ")
}
