package postgres

import (
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	connectTime = 3 * time.Second // for each host
	// answerTime is how long an answer is waited for; the server gives up a little
	// before, and says why. hotTime is that of the hot path. Clients wait for some
	// ten seconds, by when a node whose network has gone dead must have told them.
	answerTime = 7 * time.Second
	hotTime    = 4 * time.Second
	maxConns   = 8 // for Views and Updates; the hot path and Follow have their own
)

// What every connection asks of the server, unless the URL says otherwise. Times
// are in milliseconds.
var common = map[string]string{
	"application_name":                    "doorward",
	"client_encoding":                     "UTF8",
	"statement_timeout":                   "6000",
	"lock_timeout":                        "3000",
	"idle_in_transaction_session_timeout": "5000", // a process that is frozen lets go of its locks
	"jit":                                 "off",  // nothing here runs for so long
}

// What the connections of the hot path ask for, besides: that a plan made when
// the table was small is right when it is large.
var hot = map[string]string{
	"statement_timeout": "3500",
	"lock_timeout":      "500",
	"plan_cache_mode":   "force_generic_plan",
	"enable_seqscan":    "off",
	"enable_bitmapscan": "off",
	"enable_hashjoin":   "off",
	"enable_mergejoin":  "off",
}

// settings is what a URL says.
type settings struct {
	pool *pgxpool.Config
	hot  *pgconn.Config
}

// parse reads a URL. Its errors do not repeat the password, which pgx's may.
func parse(text string) (settings, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return settings{}, errors.New("the URL of the database cannot be read: write postgres://USER:PASSWORD@HOST:5432/DATABASE, with % and two digits for what is special in a password")
	}
	cfg, err := pgxpool.ParseConfig(text)
	if err != nil {
		return settings{}, errors.New("the URL of the database cannot be taken: " + redact(err, u))
	}
	given := cfg.ConnConfig.RuntimeParams
	hotConfig := cfg.ConnConfig.Config.Copy()
	for name, value := range common {
		if _, ok := given[name]; !ok {
			cfg.ConnConfig.RuntimeParams[name] = value
			hotConfig.RuntimeParams[name] = value
		}
	}
	for name, value := range hot {
		hotConfig.RuntimeParams[name] = value
	}
	for _, c := range []*pgconn.Config{&cfg.ConnConfig.Config, hotConfig} {
		if c.ConnectTimeout == 0 {
			c.ConnectTimeout = connectTime
		}
		if c.ValidateConnect == nil { // a standby is of no use
			c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
		}
	}
	if !u.Query().Has("pool_max_conns") {
		cfg.MaxConns = maxConns
	}
	return settings{cfg, hotConfig}, nil
}

// redact returns what is wrong with a URL that can be read.
func redact(err error, u *url.URL) string {
	if inner := errors.Unwrap(err); inner != nil { // without the URL
		err = inner
	}
	text := err.Error()
	if password, ok := u.User.Password(); ok && password != "" {
		text = strings.ReplaceAll(text, password, "xxxxx")
	}
	return text
}

// wait makes a commit wait for the disk where the database would not.
func (s settings) wait() {
	s.pool.ConnConfig.RuntimeParams["synchronous_commit"] = "on"
	s.hot.RuntimeParams["synchronous_commit"] = "on"
}

// String names the database without the password.
func (s settings) String() string {
	c := s.hot
	hosts := []string{c.Host}
	for _, f := range c.Fallbacks {
		if f.Host != hosts[len(hosts)-1] {
			hosts = append(hosts, f.Host)
		}
	}
	return c.Database + " at " + strings.Join(hosts, ", ")
}
