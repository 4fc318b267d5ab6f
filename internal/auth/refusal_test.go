package auth

import "testing"

// TestCommand: what a stranger chose for an address is no part of a command.
func TestCommand(t *testing.T) {
	for operand, want := range map[string]string{
		"ada@example.com":        "doorward user activate ada@example.com",
		"o'hara@example.com":     `doorward user activate 'o'\''hara@example.com'`,
		"$(id)@example.com":      "doorward user activate '$(id)@example.com'",
		"`id`;ls@example.com":    "doorward user activate '`id`;ls@example.com'",
		"--json@example.com":     "doorward user activate '--json@example.com'",
		"ada lovelace@localhost": "doorward user activate 'ada lovelace@localhost'",
	} {
		if got := command("user activate", operand); got != want {
			t.Errorf("%s: %s, want %s", operand, got, want)
		}
	}
}
