package pages

import (
	"bytes"
	_ "embed" // the page
	"html/template"
	"net/http"
	"sync"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/web"
)

// DevInfo is what the demo of `doorward dev` is told: where the server is, and
// as whom to sign in. The password is that of a user made for trying out.
type DevInfo struct {
	Issuer   string
	Email    string
	Password string
	Version  string // of this binary
	Why      string // the command that tells the story of the denial whose id comes next
}

// devFiles are what the page asks for, by where and as what.
var devFiles = map[string]struct{ file, kind string }{
	"/dev/demo.js":      {"bundle/demo.js", "text/javascript; charset=utf-8"},
	"/dev/demo.css":     {"bundle/demo.css", "text/css; charset=utf-8"},
	"/dev/LICENSES.txt": {"bundle/LICENSES.txt", "text/plain; charset=utf-8"},
}

// devPolicy lets the page have its own files and answers, and nothing else:
// nothing is inline.
const devPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Dev answers GET and HEAD of /, the demo application, and of the files below
// /dev/ that it is made of. It expects the routes of the server and a guarded
// GET /api/profile on its own origin. It is for `doorward dev` alone.
func Dev(info DevInfo) http.Handler {
	documents := map[string]func() *document{"/": sync.OnceValue(func() *document { return newDevPage(info) })}
	for path, d := range devFiles {
		documents[path] = sync.OnceValue(func() *document {
			body, err := web.Bundle.ReadFile(d.file)
			if err != nil {
				panic(err) // it is embedded
			}
			return newDocument(d.kind, "", body)
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !reads(w, r) {
			return
		}
		document, ok := documents[r.URL.Path]
		if !ok {
			doorward.BadInput(doorward.NotFound, "", "").Write(w, doorward.Wire{Issuer: info.Issuer})
			return
		}
		// Another server may be tried on the same port a minute later.
		w.Header().Set("Cache-Control", "no-cache")
		document().serve(w, r)
	})
}

//go:embed dev.html
var devHTML string

func newDevPage(info DevInfo) *document {
	var b bytes.Buffer
	err := template.Must(template.New("dev").Parse(devHTML)).Execute(&b, struct {
		DevInfo
		Icon template.URL
	}{info, icon})
	if err != nil {
		panic(err) // the template and its data are ours
	}
	return newDocument(contentTypes[asHTML], devPolicy, b.Bytes())
}
