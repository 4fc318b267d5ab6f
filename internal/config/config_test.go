package config

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/password"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/session"
)

const (
	oneKey   = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	otherKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e2f"
)

// write makes a file in a directory of the test and returns its path.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, src Sources) Config {
	t.Helper()
	c, err := Load(src)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPrecedence(t *testing.T) {
	file := write(t, "doorward.toml", "listen = \":1\"\nidle_life = \"1d\"\naudience = [\"https://file\"]\nsignup = false\n")
	for _, test := range []struct {
		name    string
		flags   map[string][]string
		env     []string
		setting string
		read    func(Config) any
		want    any
		where   string
	}{
		{"default", nil, nil, "log-format", func(c Config) any { return c.LogFormat }, LogAuto, ""},
		{"file over default", nil, nil, "signup", func(c Config) any { return c.Signup }, false, "FILE:4: signup"},
		{"environment over file", nil, []string{"DOORWARD_LISTEN=:2"}, "listen", func(c Config) any { return c.Listen }, ":2", "DOORWARD_LISTEN"},
		{"flag over environment", map[string][]string{"listen": {":3"}}, []string{"DOORWARD_LISTEN=:2"}, "listen", func(c Config) any { return c.Listen }, ":3", "--listen"},
		{"an empty name in the environment is none", nil, []string{"DOORWARD_LISTEN="}, "listen", func(c Config) any { return c.Listen }, ":1", "FILE:1: listen"},
		{"a list is replaced, not joined", map[string][]string{"audience": {"https://a", "https://b,https://c"}}, []string{"DOORWARD_AUDIENCE=https://env"},
			"audience", func(c Config) any { return c.Audience }, []string{"https://a", "https://b", "https://c"}, "--audience"},
		{"a list in the environment", nil, []string{"DOORWARD_AUDIENCE=https://a, https://b"},
			"audience", func(c Config) any { return c.Audience }, []string{"https://a", "https://b"}, "DOORWARD_AUDIENCE"},
		{"the last of a flag that is no list", map[string][]string{"idle-life": {"2d", "3d"}}, nil,
			"idle-life", func(c Config) any { return c.IdleLife }, 72 * time.Hour, "--idle-life"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := load(t, Sources{Flags: test.flags, Env: append(test.env, FileEnv+"="+file)})
			if got := test.read(c); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if got := strings.ReplaceAll(c.Given(test.setting), file, "FILE"); got != test.where {
				t.Errorf("it is said to come from %q, want %q", got, test.where)
			}
		})
	}
}

func TestFlagNamesTheFileBeforeTheEnvironment(t *testing.T) {
	one, two := write(t, "one.toml", "node = \"one\""), write(t, "two.toml", "node = \"two\"")
	c := load(t, Sources{Flags: map[string][]string{FileFlag: {two}}, Env: []string{FileEnv + "=" + one}})
	if c.Node != "two" {
		t.Errorf("the file was %q", c.Node)
	}
}

func TestEverySettingIsOneRow(t *testing.T) {
	for _, s := range table() {
		t.Run(s.Name, func(t *testing.T) {
			if s.Doc == "" || s.Example == "" || (s.Default == "") == (s.Otherwise == "") {
				t.Fatalf("the row is not complete: %+v", s)
			}
			if s.Default != "" {
				if err := s.set(new(Config), s.Default); err != nil {
					t.Errorf("its default cannot be set: %v", err)
				}
			}
			example := s.Example
			if s.Name == "master-key" {
				example = oneKey
			}
			flag := Sources{Flags: map[string][]string{s.Name: {example}}}
			env := Sources{Env: []string{s.Env() + "=" + example}}
			quoted := fmt.Sprintf("%q", example)
			if s.Kind == Number || s.Kind == Bool {
				quoted = example
			}
			file := Sources{Flags: map[string][]string{FileFlag: {write(t, "x.toml", s.Key()+" = "+quoted)}}}
			// The rest of the table decides what a setting is compared with.
			want := load(t, flag)
			want.given = nil
			for _, src := range []Sources{env, file} {
				got := load(t, src)
				if got.Given(s.Name) == "" {
					t.Errorf("the setting is not said to be given by %+v", src)
				}
				got.given = nil
				if !reflect.DeepEqual(describe(got), describe(want)) {
					t.Errorf("%+v gives %+v, want %+v", src, got, want)
				}
			}
		})
	}
}

// describe makes secrets comparable.
func describe(c Config) any {
	key := ""
	if !c.MasterKey.IsZero() {
		key = c.MasterKey.Reveal()
	}
	c.MasterKey = secret.MasterKey{}
	return []any{key, c}
}

func TestDefaultsAreThoseOfTheRules(t *testing.T) {
	c := load(t, Sources{})
	if c.IdleLife != session.DefaultLife.Idle || c.AbsoluteLife != session.DefaultLife.Absolute {
		t.Errorf("the lives are %s and %s", c.IdleLife, c.AbsoluteLife)
	}
	if c.HashMemory != password.DefaultParams.Memory || c.HashPasses != password.DefaultParams.Time {
		t.Errorf("a hash takes %d KiB and %d passes", c.HashMemory, c.HashPasses)
	}
	if c.PasswordLength != password.DefaultMinLength || !c.Signup || c.AccessLife != 15*time.Minute {
		t.Errorf("%+v", c)
	}
}

func TestProxies(t *testing.T) {
	c := load(t, Sources{Env: []string{"DOORWARD_TRUSTED_PROXY=10.0.0.0/8,::1"}})
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	if !reflect.DeepEqual(c.TrustedProxies, want) {
		t.Errorf("got %v, want %v", c.TrustedProxies, want)
	}
}

// TestFaults lists what stops a start, and what is said about it.
func TestFaults(t *testing.T) {
	for _, test := range []struct {
		name  string
		flags map[string][]string
		env   []string
		file  string
		want  []string // FILE stands for the path
	}{
		{name: "unknown key", file: "\nlisen = \":1\"\n", want: []string{"FILE:2: lisen: unknown setting; did you mean listen?"}},
		{name: "unknown key like nothing", file: "zzz = 1", want: []string{"FILE:1: zzz: unknown setting; doorward serve --help lists them all"}},
		{name: "a flag's name in the file", file: `access-life = "5m"`, want: []string{"FILE:1: access-life: unknown setting; did you mean access_life?"}},
		{name: "table", file: "signup = true\n[server]\nlisten = \":1\"", want: []string{"FILE:2: server: there are no tables here: every setting stands at the top of the file"}},
		{name: "number for a duration", file: "access_life = 900", want: []string{`FILE:1: access_life: is a number; it must be a duration in quotes: access_life = "15m"`}},
		{name: "string for a boolean", file: `signup = "yes"`, want: []string{`FILE:1: signup: is a string; it must be true or false: signup = false`}},
		{name: "string for a number", file: `password_length = "15"`, want: []string{`FILE:1: password_length: is a string; it must be a number: password_length = 15`}},
		{name: "number in a list", file: "audience = [\n\"a\",\n1]", want: []string{`FILE:1: audience: is a list with a number in it; it must be a list of texts: audience = ["https://api.example.com"]`}},
		{name: "date", file: "node = 1979-05-27", want: []string{`FILE:1: node: is a date or time; it must be text in quotes: node = "auth-1"`}},
		{name: "syntax", file: "node = \"a\"\nlisten = \n", want: []string{"FILE:2: unexpected character U+000A at start of value"}},
		{name: "twice", file: "signup = true\nsignup = true\n", want: []string{"FILE:2: key signup is already defined"}},
		{name: "unknown name", env: []string{"DOORWARD_LISTNE=:1"}, want: []string{"DOORWARD_LISTNE: unknown setting; did you mean DOORWARD_LISTEN?"}},
		{name: "no such file", env: []string{"DOORWARD_CONFIG=/nonexistent"}, want: []string{"DOORWARD_CONFIG: open /nonexistent: no such file or directory"}},
		{name: "value from a flag", flags: map[string][]string{"access-life": {"15"}}, want: []string{`--access-life: "15" is not a duration: write it like 90s, 15m, 12h or 7d`}},
		{name: "value from the environment", env: []string{"DOORWARD_ACCESS_LIFE=1s"}, want: []string{`DOORWARD_ACCESS_LIFE: "1s" is too short: at least 5s`}},
		{name: "value from the file", file: "\n\naccess_life = \"2d\"", want: []string{`FILE:3: access_life: "2d" is too long: at most 1d`}},
		{name: "a value that does not decide", flags: map[string][]string{"access-life": {"15m"}}, env: []string{"DOORWARD_ACCESS_LIFE=x"},
			want: []string{`DOORWARD_ACCESS_LIFE: "x" is not a duration: write it like 90s, 15m, 12h or 7d`}},
		{name: "all at once", env: []string{"DOORWARD_SIGNUP=yes", "DOORWARD_PASSWORD_LENGTH=6", "DOORWARD_X=1"}, want: []string{
			`DOORWARD_X: unknown setting; doorward serve --help lists them all`,
			`DOORWARD_SIGNUP: "yes" is neither true nor false`,
			`DOORWARD_PASSWORD_LENGTH: "6" is out of range: 8 to 256`,
		}},
		{name: "issuer with a slash", flags: map[string][]string{"issuer": {"https://a.example/"}}, want: []string{
			`--issuer: "https://a.example/" must end behind the host: https://auth.example.com, without a slash`}},
		{name: "issuer without a scheme", flags: map[string][]string{"issuer": {"a.example"}}, want: []string{
			`--issuer: "a.example" is not the URL of a server, such as https://auth.example.com`}},
		{name: "origin with a path", env: []string{"DOORWARD_ALLOWED_ORIGIN=https://a.example/x"}, want: []string{
			`DOORWARD_ALLOWED_ORIGIN: "https://a.example/x" is not an origin: write scheme and host only, such as https://app.example.com`}},
		{name: "network with bits", env: []string{"DOORWARD_TRUSTED_PROXY=10.1.0.0/8"}, want: []string{
			`DOORWARD_TRUSTED_PROXY: "10.1.0.0/8" has bits set behind its length: the network is 10.0.0.0/8`}},
		{name: "algorithm", env: []string{"DOORWARD_ALGORITHM=HS256"}, want: []string{`DOORWARD_ALGORITHM: "HS256" is not one of ES256, RS256 and EdDSA`}},
		{name: "address", env: []string{"DOORWARD_LISTEN=4010"}, want: []string{`DOORWARD_LISTEN: "4010" is not an address: write it like 127.0.0.1:4010 or :4010`}},
		{name: "lives the wrong way round", flags: map[string][]string{"idle-life": {"5m"}}, want: []string{
			"--idle-life: a session must idle no shorter (5m) than an access token lives (15m)"}},
		{name: "lives from two places", flags: map[string][]string{"idle-life": {"2d"}}, env: []string{"DOORWARD_ABSOLUTE_LIFE=1d"}, want: []string{
			"DOORWARD_ABSOLUTE_LIFE and --idle-life: a session must live no shorter at all (1d) than it may idle (2d)"}},
		{name: "weak hash", env: []string{"DOORWARD_HASH_MEMORY=8MiB"}, want: []string{
			"DOORWARD_HASH_MEMORY: argon2id: 8192 KiB is too little memory for 2 passes; at least 19456"}},
		{name: "a size beyond all bounds", env: []string{"DOORWARD_HASH_MEMORY=2000000000GiB"}, want: []string{
			"DOORWARD_HASH_MEMORY: argon2: memory over 1048576 KiB"}},
		{name: "key twice", env: []string{"DOORWARD_MASTER_KEY=" + oneKey, "DOORWARD_MASTER_KEY_FILE=/k"}, want: []string{
			"DOORWARD_MASTER_KEY: given together with DOORWARD_MASTER_KEY_FILE; give one of the two"}},
		{name: "key file missing", flags: map[string][]string{"master-key-file": {"/nonexistent"}}, want: []string{
			"--master-key-file: open /nonexistent: no such file or directory"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := ""
			if test.file != "" {
				path = write(t, "doorward.toml", test.file)
				test.env = append(test.env, FileEnv+"="+path)
			}
			_, err := Load(Sources{Flags: test.flags, Env: test.env})
			got := "nil"
			if err != nil {
				got = strings.ReplaceAll(err.Error(), path, "FILE")
				if path == "" {
					got = err.Error()
				}
			}
			if want := strings.Join(test.want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if _, ok := errors.AsType[Faults](err); !ok {
				t.Errorf("the error is a %T", err)
			}
		})
	}
}

func TestMasterKey(t *testing.T) {
	file := write(t, "key", otherKey+"\n")
	want, err := secret.ParseMasterKey(otherKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, src := range map[string]Sources{
		"file by flag":        {Flags: map[string][]string{"master-key-file": {file}}},
		"file by environment": {Env: []string{"DOORWARD_MASTER_KEY_FILE=" + file}},
		"file by file":        {Flags: map[string][]string{FileFlag: {write(t, "x.toml", fmt.Sprintf("master_key_file = %q", file))}}},
		// A stronger source may change the way as well: only in one and the
		// same source are two ways a contradiction.
		"file by flag over key in the environment": {Flags: map[string][]string{"master-key-file": {file}}, Env: []string{"DOORWARD_MASTER_KEY=" + oneKey}},
		"key by flag over file in the environment": {Flags: map[string][]string{"master-key": {otherKey}}, Env: []string{"DOORWARD_MASTER_KEY_FILE=/nonexistent"}},
	} {
		t.Run(name, func(t *testing.T) {
			if c := load(t, src); c.MasterKey.Reveal() != want.Reveal() {
				t.Error("another key was taken")
			}
		})
	}
}

func TestErrorsRepeatNoSecret(t *testing.T) {
	const leak = "hunter2-hunter2"
	for name, src := range map[string]Sources{
		"flag":        {Flags: map[string][]string{"master-key": {leak}}},
		"environment": {Env: []string{"DOORWARD_MASTER_KEY=" + leak}},
		"file":        {Env: []string{"DOORWARD_MASTER_KEY_FILE=" + write(t, "key", leak)}},
		"TOML":        {Env: []string{FileEnv + "=" + write(t, "x.toml", `master_key = "`+leak+`"`)}},
		"broken TOML": {Env: []string{FileEnv + "=" + write(t, "x.toml", "master_key = \""+leak+"\nnode = \"a\"")}},
		"large file":  {Env: []string{"DOORWARD_MASTER_KEY_FILE=" + write(t, "key", strings.Repeat(leak, 1000))}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(src)
			if err == nil {
				t.Fatal("it was taken")
			}
			if strings.Contains(err.Error(), leak) {
				t.Errorf("the error repeats it: %v", err)
			}
		})
	}
}

// TestServiceLinks: Kubernetes sets these for a service that is called
// doorward.
func TestServiceLinks(t *testing.T) {
	load(t, Sources{Env: []string{
		"DOORWARD_SERVICE_HOST=10.0.0.1", "DOORWARD_SERVICE_PORT=80", "DOORWARD_SERVICE_PORT_HTTP=80",
		"DOORWARD_PORT=tcp://10.0.0.1:80", "DOORWARD_PORT_80_TCP=tcp://10.0.0.1:80", "DOORWARD_PORT_80_TCP_PROTO=tcp",
		"DOORWARD_PORT_80_TCP_PORT=80", "DOORWARD_PORT_80_TCP_ADDR=10.0.0.1",
	}})
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"7d": 7 * day, "1d12h": 36 * time.Hour, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "0d": 0, "100000d": 100_000 * day,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: got %s, %v; want %s", text, got, err, want)
		}
		if got, err := ParseDuration(FormatDuration(want)); err != nil || got != want {
			t.Errorf("%s is written %q and read %s, %v", want, FormatDuration(want), got, err)
		}
	}
	for _, text := range []string{"", "d", "7", "-1h", "-1d", "1d-1h", "1.5d", "1h1d", "1d1d", "100001d", "7 d", "99999999999d"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q was read as %s", text, got)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"15m": 15 * time.Minute, "1h": time.Hour, "7d": 7 * day, "1d12h": 36 * time.Hour, "10s": 10 * time.Second, "1h0m10s": time.Hour + 10*time.Second, "0s": 0,
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("%v is written %q, want %q", d, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"listen", "issuer", "idle_life", "absolute_life"}
	for name, want := range map[string]string{
		"lisen": "listen", "isuser": "issuer", "absolut_life": "absolute_life", "idle-life": "idle_life", "port": "", "": "",
	} {
		if got := Nearest(name, names); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}
