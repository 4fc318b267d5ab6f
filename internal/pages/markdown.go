package pages

import (
	"bytes"
	"html/template"
	"sync"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// markdown turns our own pages into HTML. It is made when the first page is
// asked for: most servers never are, and none should start later for it. For
// the same reason there are no extensions: to import them makes a binary start
// a millisecond later, and lists read better on a phone than tables.
var markdown = sync.OnceValue(func() goldmark.Markdown {
	return goldmark.New(
		goldmark.WithParserOptions(parser.WithASTTransformers(util.Prioritized(siblings{}, 100))),
		goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(fences{}, 100))),
	)
})

// render returns Markdown as HTML. The source is ours, never a caller's; raw
// HTML in it is dropped all the same.
func render(source string) template.HTML {
	var b bytes.Buffer
	if err := markdown().Convert([]byte(source), &b); err != nil {
		panic(err) // a buffer takes everything
	}
	return template.HTML(b.String()) //nolint:gosec // made from our own Markdown, see above
}

// siblings points links between pages at their addresses: as files they name
// each other with .md.
type siblings struct{}

func (siblings) Transform(doc *ast.Document, _ text.Reader, _ parser.Context) {
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // the function below never fails
		if link, ok := n.(*ast.Link); ok && entering && !bytes.Contains(link.Destination, []byte(":")) {
			link.Destination = bytes.TrimSuffix(link.Destination, []byte(".md"))
		}
		return ast.WalkContinue, nil
	})
}

// fences renders a block of code that says its language and that a keyboard can
// scroll.
type fences struct{}

func (f fences) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindFencedCodeBlock, f.render)
}

// languages are the names of those that the pages use.
var languages = map[string]string{
	"go": "Go", "http": "HTTP", "json": "JSON", "nginx": "nginx", "sh": "Shell", "toml": "TOML", "ts": "TypeScript",
}

func (fences) render(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	block := n.(*ast.FencedCodeBlock)
	_, _ = w.WriteString(`<pre tabindex="0"`) // a bufio.Writer keeps its first error for the end
	if name := languages[string(block.Language(source))]; name != "" {
		_, _ = w.WriteString(` data-language="` + name + `"`)
	}
	_, _ = w.WriteString("><code>")
	lines := block.Lines()
	for i := range lines.Len() {
		line := lines.At(i)
		_, _ = w.Write(util.EscapeHTML(line.Value(source)))
	}
	_, _ = w.WriteString("</code></pre>\n")
	return ast.WalkSkipChildren, nil
}
