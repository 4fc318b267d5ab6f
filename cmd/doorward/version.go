package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward/postgres"
	"github.com/doorward/doorward/sqlite"
)

// build is what this binary is made of.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"` // of the revision
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Schema   schema `json:"schema"`
}

// schema is what this binary brings each kind of store to.
type schema struct {
	SQLite   int `json:"sqlite"`
	Postgres int `json:"postgres"`
}

func (a *app) versionCommand() *cobra.Command {
	return a.facts(&cobra.Command{
		Use:   "version",
		Short: "Say what this binary is",
		Args:  exactly(),
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild()
			return a.tell(b, func() {
				a.say("doorward %s", b.Version)
				if b.Revision != "" {
					changed := ""
					if b.Modified {
						changed = ", with changes"
					}
					a.say("revision %s of %s%s", b.Revision, b.Time, changed)
				}
				a.say("%s, %s", b.Go, b.Platform)
				a.say("schema %d on SQLite, %d on PostgreSQL", b.Schema.SQLite, b.Schema.Postgres)
			})
		},
	})
}

func thisBuild() build {
	b := build{
		Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Schema: schema{SQLite: sqlite.Latest(), Postgres: postgres.Latest()},
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}
