// Package docs holds those pages of the documentation that the server itself
// answers with.
package docs

import "embed"

// Errors holds errors/CODE.md, one page for each code.
//
//go:embed errors/*.md
var Errors embed.FS
