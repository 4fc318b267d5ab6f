package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/server"
)

// settings gives a command flags for the settings of these names; none means
// all of them.
func (a *app) settings(cmd *cobra.Command, names ...string) *cobra.Command {
	cmd.Flags().SortFlags = false // the table is in the order of what people need first
	for _, s := range config.Settings() {
		if len(names) > 0 && !slices.Contains(names, s.Name) {
			continue
		}
		flag := cmd.Flags().VarPF(&settingFlag{a, s}, s.Name, "", usage(s))
		if s.Kind == config.Bool {
			flag.NoOptDefVal = "true"
		}
	}
	cmd.Flags().VarPF(&settingFlag{a, config.Setting{Name: config.FileFlag, Value: "FILE"}}, config.FileFlag, "",
		fmt.Sprintf("a TOML file with settings (%s; without it: none)", config.FileEnv))
	return cmd
}

// usage says what a setting is, its name in the environment, and what holds
// without it.
func usage(s config.Setting) string {
	switch {
	case s.Default != "":
		return fmt.Sprintf("%s (%s; default %s)", s.Doc, s.Env(), s.Default)
	case s.Otherwise != "":
		return fmt.Sprintf("%s (%s; without it: %s)", s.Doc, s.Env(), s.Otherwise)
	default:
		return fmt.Sprintf("%s (%s)", s.Doc, s.Env())
	}
}

// settingFlag collects what is given for a setting on the command line; what
// it means is for package config to say.
type settingFlag struct {
	app     *app
	setting config.Setting
}

func (f *settingFlag) String() string { return "" }

func (f *settingFlag) Type() string { return f.setting.Value }

func (f *settingFlag) Set(text string) error {
	f.app.given[f.setting.Name] = append(f.app.given[f.setting.Name], text)
	return nil
}

// load reads the settings from all their sources.
func (a *app) load() (config.Config, error) {
	return config.Load(config.Sources{Flags: a.given, Env: a.env})
}

// serverConfig is the server's part of the settings.
func (a *app) serverConfig(cfg config.Config) server.Config {
	return server.Config{
		Issuer: cfg.Issuer, Audience: cfg.Audience,
		AccessLife: cfg.AccessLife, IdleLife: cfg.IdleLife, AbsoluteLife: cfg.AbsoluteLife,
		Algorithm: cfg.Algorithm, KeyAge: cfg.KeyAge,
		Signup: cfg.Signup, PasswordLength: cfg.PasswordLength,
		Hash:        server.HashCost{MemoryKiB: cfg.HashMemory, Passes: cfg.HashPasses, Lanes: 1},
		HashWorkers: cfg.HashWorkers, AllowedOrigins: cfg.AllowedOrigins, TrustedProxies: cfg.TrustedProxies,
		Node: cfg.Node, Now: a.now, Log: a.logger(cfg),
	}
}
