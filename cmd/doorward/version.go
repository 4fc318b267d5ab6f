package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

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
	Schema   int    `json:"schema"` // of the store
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
				a.say("%s, %s, schema %d", b.Go, b.Platform, b.Schema)
			})
		},
	})
}

func thisBuild() build {
	b := build{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Schema: sqlite.Latest()}
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
