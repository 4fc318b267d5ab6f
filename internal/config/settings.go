package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/password"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/verify"
)

// Setting is one row of the table of settings. Its flag, its name in the
// environment and its key in a file all follow from Name.
type Setting struct {
	Name      string // as a flag: access-life
	Kind      Kind
	Value     string // what stands for a value in the help: URL
	Default   string // as it would be written; empty where there is none
	Otherwise string // what happens without a value, where there is no Default
	Example   string // a value that can be taken
	Doc       string // half a sentence, for the help
	Secret    bool   // never repeated in an error
	FromFile  bool   // can also be the content of a file, named by the setting of this name with -file

	set func(*Config, string) error // called for each value of a List
}

// Kind is the form of a setting's values.
type Kind uint8

// The kinds of setting. In a TOML file a Bool and a Number are written as
// such, a List as an array of strings or as one string, all others as strings.
const (
	Text Kind = iota
	List
	Duration
	Size
	Number
	Bool
)

// Flag returns the name of the setting as a flag, with the dashes.
func (s Setting) Flag() string { return "--" + s.Name }

// Env returns the name of the setting in the environment.
func (s Setting) Env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
}

// Key returns the name of the setting in a file.
func (s Setting) Key() string { return strings.ReplaceAll(s.Name, "-", "_") }

// expects says how a value is written in a file.
func (s Setting) expects() string {
	quoted := strconv.Quote(s.Example)
	switch s.Kind {
	case List:
		return fmt.Sprintf("a list of texts: %s = [%s]", s.Key(), quoted)
	case Duration:
		return fmt.Sprintf("a duration in quotes: %s = %s", s.Key(), quoted)
	case Size:
		return fmt.Sprintf("a size in quotes: %s = %s", s.Key(), quoted)
	case Number:
		return fmt.Sprintf("a number: %s = %s", s.Key(), s.Example)
	case Bool:
		return fmt.Sprintf("true or false: %s = %s", s.Key(), s.Example)
	default:
		return fmt.Sprintf("text in quotes: %s = %s", s.Key(), quoted)
	}
}

// fromFile is the setting that names a file with the value of s.
func (s Setting) fromFile() Setting {
	return Setting{
		Name: s.Name + "-file", Kind: Text, Value: "FILE", Example: "/run/secrets/" + s.Key(),
		Doc: "a file that holds the value of " + s.Flag(), set: s.set,
	}
}

// Settings returns the table, with the settings that name files.
func Settings() []Setting { return slices.Clone(settings) }

var settings = func() (all []Setting) {
	for _, s := range table() {
		all = append(all, s)
		if s.FromFile {
			all = append(all, s.fromFile())
		}
	}
	return all
}()

func table() []Setting {
	return []Setting{
		{
			Name: "store", Value: "STORE", Default: "sqlite:doorward.db", Example: "sqlite:/var/lib/doorward/doorward.db", Secret: true,
			Doc: "where everything is kept: sqlite:PATH, or the URL of a PostgreSQL database, postgres://…", set: text(func(c *Config) *string { return &c.Store }),
		},
		{
			Name: "listen", Value: "ADDRESS", Default: ":4010", Example: "127.0.0.1:4010",
			Doc: "the address to answer on; port 0 takes a free one", set: address(func(c *Config) *string { return &c.Listen }),
		},
		{
			Name: "issuer", Value: "URL", Otherwise: "the local address, good for trying out", Example: "https://auth.example.com",
			Doc: "the public URL of the server, which its tokens name", set: setIssuer,
		},
		{
			Name: "audience", Kind: List, Value: "URL", Otherwise: "the issuer", Example: "https://api.example.com",
			Doc: "a service that its tokens are for", set: texts(func(c *Config) *[]string { return &c.Audience }),
		},
		{
			Name: "master-key", Value: "KEY", Otherwise: "the file beside the store, PATH.key, or a row in the database, made on the first start", Example: "(32 bytes in base64)",
			Secret: true, FromFile: true,
			Doc: "the key that seals the signing keys in the store; on the command line others can see it", set: setMasterKey,
		},
		{
			Name: "access-life", Kind: Duration, Value: "DURATION", Default: "15m", Example: "15m",
			Doc: "how long an access token lives, 5s to 24h", set: duration(func(c *Config) *time.Duration { return &c.AccessLife }, 5*time.Second, 24*time.Hour),
		},
		{
			Name: "idle-life", Kind: Duration, Value: "DURATION", Default: "7d", Example: "7d",
			Doc: "how long a session lasts without a refresh", set: duration(func(c *Config) *time.Duration { return &c.IdleLife }, time.Second, forever),
		},
		{
			Name: "absolute-life", Kind: Duration, Value: "DURATION", Default: "30d", Example: "30d",
			Doc: "how long a session lasts at all", set: duration(func(c *Config) *time.Duration { return &c.AbsoluteLife }, time.Second, forever),
		},
		{
			Name: "algorithm", Value: "NAME", Default: string(verify.ES256), Example: string(verify.ES256),
			Doc: "signs access tokens: ES256, RS256 or EdDSA", set: setAlgorithm,
		},
		{
			Name: "key-age", Kind: Duration, Value: "DURATION", Default: "90d", Example: "90d",
			Doc: "how long a key signs before the next takes its place", set: duration(func(c *Config) *time.Duration { return &c.KeyAge }, time.Hour, forever),
		},
		{
			Name: "signup", Kind: Bool, Default: "true", Example: "false",
			Doc: "whether strangers can make accounts", set: boolean(func(c *Config) *bool { return &c.Signup }),
		},
		{
			Name: "password-length", Kind: Number, Value: "N", Default: strconv.Itoa(password.DefaultMinLength), Example: strconv.Itoa(password.DefaultMinLength),
			Doc: fmt.Sprintf("the least length of a new password, at least %d", password.LeastMinLength),
			set: number(func(c *Config) *int { return &c.PasswordLength }, password.LeastMinLength, password.MaxBytes/4),
		},
		{
			Name: "hash-memory", Kind: Size, Value: "SIZE", Default: "19MiB", Example: "64MiB",
			Doc: "the memory of one password hash (Argon2id)", set: setHashMemory,
		},
		{
			Name: "hash-passes", Kind: Number, Value: "N", Default: strconv.Itoa(password.DefaultParams.Time), Example: "3",
			Doc: "the passes of one password hash (Argon2id)", set: number(func(c *Config) *int { return &c.HashPasses }, 1, 1000),
		},
		{
			Name: "hash-workers", Kind: Number, Value: "N", Otherwise: "one for each processor", Example: "4",
			Doc: "how many passwords are hashed at a time", set: number(func(c *Config) *int { return &c.HashWorkers }, 1, 1024),
		},
		{
			Name: "allowed-origin", Kind: List, Value: "ORIGIN", Otherwise: "its own only", Example: "https://app.example.com",
			Doc: "an origin whose pages may call the server", set: setOrigin,
		},
		{
			Name: "trusted-proxy", Kind: List, Value: "NETWORK", Otherwise: "none", Example: "10.0.0.0/8",
			Doc: "a proxy, as address or network, whose X-Forwarded-For is believed", set: setProxy,
		},
		{
			Name: "metrics-listen", Value: "ADDRESS", Otherwise: "no metrics", Example: "127.0.0.1:4011",
			Doc: "the address to answer /metrics on", set: address(func(c *Config) *string { return &c.MetricsListen }),
		},
		{
			Name: "node", Value: "NAME", Otherwise: "the name of the host", Example: "auth-1",
			Doc: "what this server calls itself in its records", set: text(func(c *Config) *string { return &c.Node }),
		},
		{
			Name: "log-format", Value: "FORMAT", Default: string(LogAuto), Example: string(LogJSON),
			Doc: "text, json, or auto: text on a terminal", set: setLogFormat,
		},
		{
			Name: "log-level", Value: "LEVEL", Default: "info", Example: "warn",
			Doc: "debug, info, warn or error", set: setLogLevel,
		},
	}
}

// forever is longer than any life that makes sense.
const forever = 100 * 365 * 24 * time.Hour

// What a set function returns completes a sentence that begins with the value:
// `"x" is not a number`.

func text(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error {
		if v == "" {
			return errors.New("is empty")
		}
		*field(c) = v
		return nil
	}
}

func texts(field func(*Config) *[]string) func(*Config, string) error {
	return func(c *Config, v string) error {
		if v == "" {
			return errors.New("is empty")
		}
		*field(c) = append(*field(c), v)
		return nil
	}
}

func address(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error {
		_, port, err := net.SplitHostPort(v)
		if _, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil {
			return errors.New("is not an address: write it like 127.0.0.1:4010 or :4010")
		}
		*field(c) = v
		return nil
	}
}

func duration(field func(*Config) *time.Duration, least, most time.Duration) func(*Config, string) error {
	return func(c *Config, v string) error {
		d, err := ParseDuration(v)
		switch {
		case err != nil:
			return err
		case d < least:
			return fmt.Errorf("is too short: at least %s", FormatDuration(least))
		case d > most:
			return fmt.Errorf("is too long: at most %s", FormatDuration(most))
		}
		*field(c) = d
		return nil
	}
}

func number(field func(*Config) *int, least, most int) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil {
			return errors.New("is not a whole number")
		}
		if n < least || n > most {
			return fmt.Errorf("is out of range: %d to %d", least, most)
		}
		*field(c) = n
		return nil
	}
}

func boolean(field func(*Config) *bool) func(*Config, string) error {
	return func(c *Config, v string) error {
		switch v {
		case "true":
			*field(c) = true
		case "false":
			*field(c) = false
		default:
			return errors.New("is neither true nor false")
		}
		return nil
	}
}

func setIssuer(c *Config, v string) error {
	u, err := url.Parse(v)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("is not the URL of a server, such as https://auth.example.com")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" || strings.HasSuffix(v, "/"):
		return errors.New("must end behind the host: https://auth.example.com, without a slash")
	}
	c.Issuer = v
	return nil
}

func setMasterKey(c *Config, v string) error {
	key, err := secret.ParseMasterKey(v)
	if err != nil {
		return fmt.Errorf("is not a master key: %s", strings.TrimPrefix(err.Error(), "master key: "))
	}
	c.MasterKey = key
	return nil
}

func setAlgorithm(c *Config, v string) error {
	if !slices.Contains(verify.Algorithms(), verify.Algorithm(v)) {
		return errors.New("is not one of ES256, RS256 and EdDSA")
	}
	c.Algorithm = verify.Algorithm(v)
	return nil
}

// setHashMemory takes a size with its unit, or a number of KiB as the m of an
// encoded hash has it.
func setHashMemory(c *Config, v string) error {
	digits, unit := v, 1
	for suffix, kib := range map[string]int{"KiB": 1, "MiB": 1 << 10, "GiB": 1 << 20} {
		if rest, ok := strings.CutSuffix(v, suffix); ok {
			digits, unit = rest, kib
		}
	}
	n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 31)
	if err != nil || n == 0 {
		return errors.New("is not a size: write it like 19MiB")
	}
	c.HashMemory = int(min(n, 1<<31/uint64(unit))) * unit
	return nil
}

func setOrigin(c *Config, v string) error {
	u, err := url.Parse(v)
	if err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != v {
		return errors.New("is not an origin: write scheme and host only, such as https://app.example.com")
	}
	c.AllowedOrigins = append(c.AllowedOrigins, v)
	return nil
}

func setProxy(c *Config, v string) error {
	prefix, err := netip.ParsePrefix(v)
	if err != nil {
		addr, err := netip.ParseAddr(v)
		if err != nil || addr.Zone() != "" {
			return errors.New("is neither an address nor a network such as 10.0.0.0/8")
		}
		prefix = netip.PrefixFrom(addr, addr.BitLen())
	}
	if prefix != prefix.Masked() {
		return fmt.Errorf("has bits set behind its length: the network is %s", prefix.Masked())
	}
	c.TrustedProxies = append(c.TrustedProxies, prefix)
	return nil
}

func setLogFormat(c *Config, v string) error {
	format := LogFormat(v)
	if format != LogAuto && format != LogText && format != LogJSON {
		return errors.New("is not one of auto, text and json")
	}
	c.LogFormat = format
	return nil
}

func setLogLevel(c *Config, v string) error {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	level, ok := levels[v]
	if !ok {
		return errors.New("is not one of debug, info, warn and error")
	}
	c.LogLevel = level
	return nil
}
