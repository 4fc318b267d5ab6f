package pages

import (
	"bytes"
	_ "embed" // the page, its style and its script
	"html/template"
	"net/http"
	"strings"
	"sync"

	"github.com/doorward/doorward"
)

// DevInfo is what the page of `doorward dev` tells: where the server is, and as
// whom to sign in. The password is that of a user made for trying out.
type DevInfo struct {
	Issuer   string
	Email    string
	Password string
	// Store is what the operator's commands need as --store; empty where they
	// find it without.
	Store string
}

// why is the command that tells the story of the denial whose id comes next.
func (info DevInfo) why() string {
	if info.Store == "" {
		return "doorward why"
	}
	return "doorward why --store '" + strings.ReplaceAll(info.Store, "'", `'\''`) + "'"
}

const scriptPath = "/dev/page.js"

// Dev answers GET and HEAD of /, a page to try the server with, and of
// /dev/page.js, its script. The page expects the routes of the server and a
// guarded GET /api/profile on its own origin. It is for `doorward dev` alone.
func Dev(info DevInfo) http.Handler {
	page := sync.OnceValue(func() *document { return newDevPage(info) })
	script := sync.OnceValue(func() *document {
		return newDocument("text/javascript; charset=utf-8", "", []byte(devScript))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !reads(w, r) {
			return
		}
		// Another server may be tried on the same port a minute later.
		w.Header().Set("Cache-Control", "no-cache")
		switch r.URL.Path {
		case "/":
			page().serve(w, r)
		case scriptPath:
			script().serve(w, r)
		default:
			doorward.BadInput(doorward.NotFound, "", "").Write(w, doorward.Wire{Issuer: info.Issuer})
		}
	})
}

var (
	//go:embed dev/page.html
	devHTML string
	//go:embed dev/page.css
	devCSS string
	//go:embed dev/page.js
	devScript string
)

func newDevPage(info DevInfo) *document {
	style := newSheet(base + devCSS)
	var b bytes.Buffer
	err := template.Must(template.New("dev").Parse(devHTML)).Execute(&b, struct {
		DevInfo
		CSS    template.CSS
		Icon   template.URL
		Script string
		Why    string
	}{info, style.CSS, icon, scriptPath, info.why()})
	if err != nil {
		panic(err) // the template and its data are ours
	}
	return newDocument(contentTypes[asHTML], style.policy("; script-src 'self'; connect-src 'self'"), b.Bytes())
}
