// Package web holds what browsers run: the client as one file, and the demo
// application that signs in with it. What is in bundle is built from the
// TypeScript beside it and committed, so that Doorward needs no Node to build
// or to run.
package web

import "embed"

//go:generate go run ./build

// Bundle holds bundle/doorward.js (the client, an ES module), bundle/demo.js
// with bundle/demo.css (the demo application, React included), and
// bundle/LICENSES.txt (of what others wrote of it).
//
//go:embed bundle
var Bundle embed.FS
