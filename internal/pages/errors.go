package pages

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync"

	_ "embed" // the template

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/why"
)

const errorsPath = "/errors/"

// Errors answers GET and HEAD of /errors/, the list of all codes, and of
// /errors/CODE, the page behind the `type` of every refusal. As HTML, JSON or
// Markdown, whichever the Accept field likes best, JSON where it does not care;
// /errors/CODE.md is always Markdown. A denial's id in ?denial= is repeated with
// the command that tells its story; where tell has something to say of it to
// whoever asks, that is there as well. Nil tells nobody anything.
//
// Nothing is rendered before it is asked for, and all but what is about one
// denial only once.
func Errors(tell Teller) http.Handler {
	e := &errorPages{tell: tell, index: sync.OnceValue(newIndex), codes: make(map[string]func() *articlePage)}
	for _, info := range doorward.Codes() {
		e.codes[string(info.Code)] = sync.OnceValue(func() *articlePage { return newArticlePage(info) })
	}
	return e
}

// Teller returns what whoever sent a request may know of a denial with a code,
// or nil for nothing.
type Teller func(r *http.Request, code doorward.Code, denial string) *why.Told

type errorPages struct {
	tell  Teller
	index func() variants
	codes map[string]func() *articlePage
}

func (e *errorPages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !reads(w, r) {
		return
	}
	name, found := strings.CutPrefix(r.URL.Path, errorsPath)
	if found && name == "" {
		e.index().serve(w, r, negotiate(r.Header.Values("Accept")))
		return
	}
	name, isFile := strings.CutSuffix(name, ".md")
	page, ok := e.codes[name]
	if !found || !ok {
		doorward.BadInput(doorward.NotFound, "", "There is no such code; "+errorsPath+" lists all of them").Write(w, doorward.Wire{})
		return
	}
	if isFile {
		page().plain.serve(w, r, asMarkdown)
		return
	}
	f := negotiate(r.Header.Values("Accept"))
	denial := r.URL.Query().Get("denial")
	if !doorward.ValidDenialID(denial) {
		page().plain.serve(w, r, f)
		return
	}
	var told *why.Told
	if e.tell != nil {
		told = e.tell(r, doorward.Code(name), denial)
	}
	page().write(denial, told).serveOnce(w, r, f)
}

// reads refuses every method but GET and HEAD.
func reads(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	doorward.BadInput(doorward.MethodNotAllowed, "", "The methods allowed here are GET and HEAD").Write(w, doorward.Wire{})
	return false
}

// variants are the same page in every format.
type variants [formats]*document

func newVariants(html, json, markdown []byte) variants {
	return variants{
		asHTML:     newDocument(contentTypes[asHTML], errorSheet().policy(), html),
		asJSON:     newDocument(contentTypes[asJSON], "", json),
		asMarkdown: newDocument(contentTypes[asMarkdown], "", markdown),
		asPlain:    newDocument(contentTypes[asPlain], "", markdown),
	}
}

func (v variants) serve(w http.ResponseWriter, r *http.Request, f format) {
	w.Header().Add("Vary", "Accept")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	v[f].serve(w, r)
}

// serveOnce answers with what is about one denial, and may be for one caller's
// eyes: nobody keeps it. Whether it is, the fields of the answer do not tell.
func (v variants) serveOnce(w http.ResponseWriter, r *http.Request, f format) {
	w.Header().Add("Vary", "Accept")
	w.Header().Set("Cache-Control", "no-store")
	d := *v[f]
	d.etag = ""
	d.serve(w, r)
}

// newIndex and newArticlePage panic where the embedded pages are at fault: a
// test reads every one of them.
func newIndex() variants {
	list := index{Classes: []class{
		{Title: "Refused", Text: "The request was understood, and the answer is no.", class: doorward.ClassDenial},
		{Title: "Not understood", Text: "The request could not be read. Nothing was decided about anybody.", class: doorward.ClassInput},
		{Title: "Not known", Text: "The service could not find out. Nobody is signed out by this.", class: doorward.ClassFault},
	}}
	for _, info := range doorward.Codes() {
		for i := range list.Classes {
			if c := &list.Classes[i]; c.class == info.Class {
				c.Codes = append(c.Codes, info)
			}
		}
		list.Codes = append(list.Codes, summarize(info))
	}
	return newVariants(execute("index", list), encode(list), list.markdown())
}

type index struct {
	Classes []class   `json:"-"`
	Codes   []summary `json:"codes"`
}

type class struct {
	Title, Text string
	Codes       []doorward.CodeInfo
	class       doorward.Class
}

func (l index) markdown() []byte {
	var b bytes.Buffer
	b.WriteString("# Codes\n")
	for _, c := range l.Classes {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", c.Title, c.Text)
		for _, info := range c.Codes {
			fmt.Fprintf(&b, "- [%s](%s.md) (%d): %s\n", info.Code, info.Code, info.Status, info.Detail)
		}
	}
	return b.Bytes()
}

// summary is what JSON says of a code in the list and on its page alike.
type summary struct {
	Code     doorward.Code     `json:"code"`
	Status   int               `json:"status"`
	Title    string            `json:"title"`
	Detail   string            `json:"detail"`
	Recovery doorward.Recovery `json:"recovery"`
	URL      string            `json:"url"`
}

func summarize(info doorward.CodeInfo) summary {
	return summary{info.Code, info.Status, info.Title(), info.Detail, info.Recovery, errorsPath + string(info.Code)}
}

// articlePage is the page of one code, and what is needed to write it once more
// for a single denial.
type articlePage struct {
	article *article
	view    view
	plain   variants
}

func newArticlePage(info doorward.CodeInfo) *articlePage {
	a, err := readArticle(info)
	if err != nil {
		panic(err)
	}
	p := &articlePage{article: a, view: newView(a)}
	p.plain = p.write("", nil)
	return p
}

// write returns the page with a word on one denial, where there is one, and
// with what its caller is told of it.
func (p *articlePage) write(denial string, told *why.Told) variants {
	a := p.article
	view := p.view
	explained := explanation{
		summary: summarize(a.Info), Wire: strings.Split(a.Wire, "\n"), Meaning: a.Meaning, Causes: a.Causes,
		Fix: fix{a.Caller, a.Developer, a.Operator}, Evidence: a.Evidence, Client: a.Client,
	}
	file := a.File
	if denial != "" {
		view.Denial = denial
		explained.Denial = &story{denial, "doorward why " + denial, told}
		file += fmt.Sprintf("\n---\n\nDenial %s: the operator can read its story with `doorward why %s`.\n", denial, denial)
	}
	if told != nil {
		view.Told = told
		file += fmt.Sprintf("\nTo you, whose request it was, %s: %s\n", why.Stamp(told.At), strings.Join(told.Text, " "))
	}
	return newVariants(execute("article", view), encode(explained), []byte(file))
}

// explanation is a page as JSON. The texts are Markdown.
type explanation struct {
	summary
	Wire     []string `json:"wire"`
	Denial   *story   `json:"denial,omitempty"`
	Meaning  string   `json:"meaning"`
	Causes   string   `json:"causes"`
	Fix      fix      `json:"fix"`
	Evidence string   `json:"evidence"`
	Client   string   `json:"client"`
}

type fix struct {
	Caller    string `json:"caller"`
	Developer string `json:"developer"`
	Operator  string `json:"operator"`
}

type story struct {
	ID  string `json:"id"`
	Why string `json:"why"`

	Yours *why.Told `json:"yours,omitempty"`
}

func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // a person may read it too
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		panic(err) // strings and numbers always encode
	}
	return b.Bytes()
}

// view is a page as its template takes it.
type view struct {
	Info     doorward.CodeInfo
	Wire     string
	Denial   string
	Told     *why.Told
	Recovery string

	Meaning, Causes, Caller, Developer, Operator, Evidence, Client template.HTML
}

func newView(a *article) view {
	return view{
		Info: a.Info, Wire: a.Wire, Recovery: recoveries[a.Info.Recovery],
		Meaning: render(a.Meaning), Causes: render(a.Causes),
		Caller: render(a.Caller), Developer: render(a.Developer), Operator: render(a.Operator),
		Evidence: render(a.Evidence), Client: render(a.Client),
	}
}

// recoveries say in a few words what a client does.
var recoveries = map[doorward.Recovery]string{
	doorward.RecoverRenew:     "renew the token, send once more",
	doorward.RecoverSignIn:    "sign in again",
	doorward.RecoverClock:     "wait for the clock, send once more",
	doorward.RecoverAskAgain:  "ask for the password again",
	doorward.RecoverAskFactor: "ask for the second factor",
	doorward.RecoverShow:      "show it to the person",
	doorward.RecoverStepUp:    "ask for a fresher or stronger sign-in",
	doorward.RecoverWait:      "wait, then send again",
	doorward.RecoverNone:      "nothing: mend the request or the set-up",
}

var (
	//go:embed errors.css
	errorCSS string
	//go:embed errors.html
	errorHTML string

	errorSheet    = sync.OnceValue(func() sheet { return newSheet(base + errorCSS) })
	errorTemplate = sync.OnceValue(func() *template.Template {
		return template.Must(template.New("errors").Funcs(template.FuncMap{
			"sheet": func() template.CSS { return errorSheet().CSS },
			"icon":  func() template.URL { return icon },
			"stamp": why.Stamp,
		}).Parse(errorHTML))
	})
)

func execute(name string, data any) []byte {
	var b bytes.Buffer
	if err := errorTemplate().ExecuteTemplate(&b, name, data); err != nil {
		panic(err) // the template and its data are ours
	}
	return b.Bytes()
}
